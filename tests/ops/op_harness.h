// OpHarness: runs one kernel of any backend on plain tensors, as the executor would: layouts,
// masters and prepared copies as its spec says, outputs poisoned and guarded. Tests compare what
// comes out; benchmarks time forward() and backward() alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/backend.h"
#include "tests/ops/guarded_memory.h"
#include "tests/ops/op_case.h"

namespace convoy::test {

// Row-major.
struct OpInputs {
  std::vector<std::vector<float>> src;
  std::vector<std::vector<float>> parameters;
  std::vector<std::vector<float>> diff_dst;  // two; the gradient is their sum
  std::vector<std::int32_t> labels;
  std::vector<float> soft_labels;  // empty: none
  float loss_scale = 0.125f;
  std::uint64_t seed = 7;  // of what the kernel draws
  std::uint64_t position = 1000;
  const std::function<void(std::span<double>)>* sum_over_lanes = nullptr;
};

// Row-major. Empty where not asked for.
struct OpOutputs {
  std::vector<float> dst;
  std::vector<std::vector<float>> diff_src;
  std::vector<std::vector<float>> gradients;  // by parameter; of statistics, what was measured
};

// The situations that a plan may put a kernel in.
struct OpVariant {
  std::string name = "alone";
  Mode mode = Mode::training;
  bool offer_conv_layout = false;  // sources come in the layout that a convolution would make
  bool share_memory = false;       // wherever the spec allows it
  bool source_gradient = true;
  bool parameter_gradients = true;
  // Masters lie as a training kernel chose; otherwise the kernel chooses, or, in inference, plain.
  bool masters_of_training = false;
};

// Uniform in [-1, 1) times the spread, shifted a little; statistics and scales are made plausible;
// every fifth row has no label.
OpInputs random_inputs(const OpCase& c, std::uint64_t seed);

class OpHarness {
 public:
  // `backend` must outlive the harness.
  OpHarness(Backend& backend, const Op& op, const std::vector<Shape>& shapes,
            OpVariant variant = {});

  const KernelSpec& spec() const { return kernel_->spec(); }

  // Copies the inputs to where the kernel expects them, and poisons its outputs.
  void load(const OpInputs& inputs);
  void forward() { kernel_->forward(args_); }
  void backward() { kernel_->backward(args_); }
  OpOutputs outputs() const;
  // load, forward and, in training, backward.
  OpOutputs run(const OpInputs& inputs);

  // What the kernel did that it must not do, in words; "" if nothing: wrote outside its buffers or
  // over its inputs, or left something else than zeros in the padding of a layout.
  std::string misdeeds() const;

 private:
  struct Block {
    int number = -1;  // in memory_, -1: absent
    TensorDesc desc;
  };

  // Whether the kernel writes the gradient of parameter i, or what it measured for it.
  bool writes_gradient(std::size_t i) const;
  void make_kernel();
  std::vector<TensorDesc> training_masters(std::span<const TensorDesc> offered) const;
  std::vector<TensorDesc> offered_sources() const;
  void add_blocks();
  void add_gradient_blocks();
  void bind();
  void write_folded(const OpInputs& inputs) const;
  Block add(const std::string& name, const TensorDesc& desc);
  std::byte* at(const Block& block) const;
  void write(const Block& block, const std::vector<float>& plain) const;
  std::vector<float> read(const Block& block) const;
  bool padding_is_zero(const Block& block) const;
  std::string changed_sources() const;

  Backend& backend_;
  Op op_;
  OpVariant variant_;
  std::vector<Shape> shapes_;
  std::vector<ParameterSpec> parameters_;
  std::unique_ptr<Kernel> kernel_;
  GuardedMemory memory_;
  std::vector<Block> src_, diff_dst_, diff_src_, masters_, prepared_, prepared_backward_,
      gradients_;
  Block dst_, workspace_, scratchpad_;
  std::vector<std::int32_t> labels_;
  std::vector<float> soft_labels_;
  StepArgs args_;
  std::vector<std::vector<float>> inputs_;  // as loaded: sources that stay, then masters
  std::string done_by_forward_;             // of misdeeds
};

}  // namespace convoy::test
