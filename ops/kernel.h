// Kernel: one op of the plan, made for fixed shapes by a backend. Everything that can be decided is
// decided when it is made; running it allocates nothing.
//
// Each lane worker has kernels of its own, so a kernel is used by one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ops/core/tensor.h"

namespace convoy {

// What a kernel wants and promises; the plan lays out memory by it. The gradient of a value has the
// value's layout.
struct KernelSpec {
  std::vector<TensorDesc> src;  // the plan inserts a reorder where the producer's differs
  TensorDesc dst;
  std::vector<TensorDesc> parameters;  // masters and their gradients, in the op's order
  // Per parameter: a copy in another layout wanted by forward, or bytes = 0. Of a convolution with
  // a batch-norm (ops/fold.h): the folded weights at the weights' place, the folded bias at
  // shift's.
  std::vector<TensorDesc> prepared;
  std::vector<TensorDesc> prepared_backward;  // likewise for backward
  std::size_t workspace = 0;                  // bytes that live from forward to backward
  std::size_t scratchpad = 0;                 // bytes that live within one call
  bool backward_reads_src = false;            // the first one; the others never
  bool backward_reads_dst = false;
  bool forward_in_place = false;       // dst may be src[0]
  bool forward_adds_in_place = false;  // in inference, dst may be src[1], and had better be
  bool backward_in_place = false;      // diff_src[0] may be diff_dst[0]
  bool shares_diff_dst =
      false;  // diff_src[1] may be diff_dst[0]; never said together with backward_in_place
  bool sums_diff_dst = false;  // backward accepts a second diff_dst to be added to the first
  std::string algorithm;       // what runs, for people
};

// Where a kernel's tensors lie. Pointers stay valid while bound; absent ones are null.
struct KernelBuffers {
  static constexpr int max_inputs = 8;
  static constexpr int max_parameters = 8;
  std::array<const std::byte*, max_inputs> src{};
  std::byte* dst = nullptr;
  std::array<std::byte*, 2> diff_dst{};  // the second only where the spec says sums_diff_dst
  std::array<std::byte*, max_inputs> diff_src{};                     // null: not wanted
  std::array<const float*, max_parameters> parameters{};             // masters
  std::array<const std::byte*, max_parameters> prepared{};           // null: use the master
  std::array<const std::byte*, max_parameters> prepared_backward{};  // null: use the master
  std::array<std::size_t, max_parameters> gradient_offsets{};  // floats from StepArgs::gradients
  // By backward; running statistics are written by every forward in training.
  std::array<bool, max_parameters> gradient_wanted{};
  std::byte* workspace = nullptr;
  std::byte* scratchpad = nullptr;
};

// What changes from call to call.
struct StepArgs {
  const std::int32_t* labels = nullptr;  // [N], below 0: the row is empty
  // [N, classes], or null: what to learn in the place of the label; rows of empty labels stay
  // empty.
  const float* soft_labels = nullptr;
  // Of random draws: row r of the micro-batch draws by (seed, position + r), where position counts
  // samples from the start of the run.
  std::uint64_t seed = 0;
  std::uint64_t position = 0;
  // For synchronised batch-norm: adds up `values` over all lanes of the step, in place. Called once
  // or more in each pass by every such layer, in the same order in every lane; all lanes get the
  // same bits, on any number of ranks. Null: this lane is alone.
  const std::function<void(std::span<double> values)>* sum_over_lanes = nullptr;
  float* gradients = nullptr;  // this lane's gradient arena; written, not added to
  float loss_scale = 1.0f;     // 1 / samples of the global batch
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  const KernelSpec& spec() const { return spec_; }
  // Cheap; may be called again when a pointer changes (the input slot does at every step).
  virtual void bind(const KernelBuffers& buffers) { buffers_ = buffers; }
  virtual void forward(const StepArgs& args) = 0;
  // Writes diff_src and gradients, each where wanted. May overwrite diff_dst, which nobody reads
  // afterwards.
  virtual void backward(const StepArgs& args) = 0;

 protected:
  Kernel() = default;
  KernelSpec spec_;
  KernelBuffers buffers_;
};

}  // namespace convoy
