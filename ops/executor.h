// Parameters: the master weights of one process. Executor: the memory and kernels of one lane
// worker.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "ops/core/arena.h"
#include "ops/core/trace.h"
#include "ops/plan.h"

namespace convoy {

// Master weights and running statistics in the plan's geometry.
class Parameters {
 public:
  explicit Parameters(const Plan& plan);

  std::span<float> arena() { return arena_.as<float>(); }
  std::span<const float> arena() const { return arena_.as<float>(); }
  const std::vector<PlacedParameter>& placed() const { return placed_; }
  // Row-major copy of parameter `index`, or of the same place in another arena of the plan's
  // geometry (momentum, gradients).
  void read(int index, std::span<const float> arena, std::span<float> logical) const;
  void write(int index, std::span<float> arena, std::span<const float> logical) const;

 private:
  Backend& backend_;
  std::vector<PlacedParameter> placed_;
  Arena arena_;
};

// Copies of the masters in the layouts that a plan's kernels want, shared by its executors.
class PreparedWeights {
 public:
  PreparedWeights(const Plan& plan, const Parameters& parameters);
  // Makes all copies anew. Worker `part` of `parts` does its share; all shares must be done before
  // the next forward.
  void refresh(int part = 0, int parts = 1);
  // Likewise those of what training changes: once per step.
  void refresh_trained(int part, int parts);

 private:
  friend class Executor;
  // Byte offsets in arena_ of the copies for one step's parameters; -1: the master itself.
  using Offsets = std::array<std::ptrdiff_t, KernelBuffers::max_parameters>;

  // A convolution with a batch-norm: where its masters lie, row-major but the weights, and where
  // the folded copies go.
  struct Folding {
    Conv op;
    TensorDesc masters, prepared;  // of the weights
    std::vector<const float*> parameters;
    float* weight;
    float* bias;
  };
  void fold(const Folding& folding) const;

  Backend& backend_;
  using Copies = std::vector<std::unique_ptr<Kernel>>;  // bound reorders
  static void run(const Copies& copies, int part, int parts);
  Copies trained_, frozen_;
  std::vector<Folding> foldings_;
  std::vector<Offsets> forward_;  // by step
  std::vector<Offsets> backward_;
  Arena arena_;
};

// One micro-batch.
struct Samples {
  // [N, C, H, W] row-major, 64-byte aligned, unchanged until backward is done.
  const float* images = nullptr;
  const std::int32_t* labels = nullptr;  // [N], below 0: an empty row
  const float* soft_labels = nullptr;    // [N, classes], in the place of labels, or null
  std::uint64_t seed = 0;                // of what kernels draw at random
  std::uint64_t position = 0;  // of the first row, counted in samples from the start of the run
  const std::function<void(std::span<double>)>* sum_over_lanes = nullptr;  // as in StepArgs
};

// Seconds spent in the kernel of each step of the plan, summed over calls.
struct StepSeconds {
  std::vector<double> forward;
  std::vector<double> backward;
};

class Executor {
 public:
  // All three must outlive the executor. Used by one thread at a time.
  Executor(const Plan& plan, const Parameters& parameters, const PreparedWeights& prepared);
  ~Executor();

  // gradients: in training the lane's arena, whose running statistics are written here (not its
  // head).
  void forward(const Samples& samples, float* gradients = nullptr);
  // After forward. on_ready(end): everything of `gradients` below offset `end` is final (head
  // excepted); the last call has end = plan.gradient_floats().
  void backward(float loss_scale, float* gradients,
                const std::function<void(std::size_t)>& on_ready);

  // From the next call on, adds to `seconds`, which must outlive the calls; null: times nothing.
  void time_steps(StepSeconds* seconds);
  // From the next call on, adds each step to `track`, which must outlive the calls; null: none.
  void trace(Track* track);

  std::span<const float> losses() const;  // [N], of the last loss, after forward
  // [N * classes], or the plan's options.output, row-major; after forward, valid until backward.
  std::span<const float> logits() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace convoy
