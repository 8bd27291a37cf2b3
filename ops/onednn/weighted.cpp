#include "ops/onednn/weighted.h"

#include <utility>

#include "ops/core/arena.h"

namespace convoy::onednn {

WeightedKernel::WeightedKernel(const KernelRequest& request, Context& context, Dims weight_dims,
                               const std::vector<ParameterSpec>& parameters)
    : context_(context),
      weight_dims_(std::move(weight_dims)),
      masters_given_(!request.parameters.empty()) {
  for (const ParameterSpec& parameter : parameters) {
    spec_.parameters.push_back(plain_desc(parameter.shape));
  }
  if (masters_given_) spec_.parameters.assign(request.parameters.begin(), request.parameters.end());
  spec_.prepared.resize(parameters.size());
  spec_.prepared_backward.resize(parameters.size());
  spec_.backward_reads_src = request.parameter_gradients;
}

void WeightedKernel::prepare_if_other(const MemoryDesc& wanted, TensorDesc& prepared) {
  if (folded_ || wanted != master_weights())
    prepared = context_.tensor(spec_.parameters[0].shape, wanted);
}

void WeightedKernel::round_if_other(Rounded& map, const TensorDesc& from,
                                    const MemoryDesc& wanted) {
  if (type_of(wanted) == from.dtype || map.call) return;
  map.call = make_reorder(context_, context_.memory_desc(from), wanted);
  map.at = rounded_bytes_;
  rounded_bytes_ += align_up(wanted.get_size());
}

void WeightedKernel::add_algorithm(std::string_view name, std::size_t scratchpad) {
  if (!spec_.algorithm.empty()) spec_.algorithm += ' ';
  spec_.algorithm += name;
  spec_.scratchpad = std::max(spec_.scratchpad, scratchpad);
}

const float* WeightedKernel::forward_weights() const {
  const std::byte* copy = buffers_.prepared[0];
  return copy ? floats(copy) : buffers_.parameters[0];
}
const float* WeightedKernel::forward_bias() const {
  const std::byte* folded = buffers_.prepared[bias_];
  return folded ? floats(folded) : buffers_.parameters[bias_];
}
const float* WeightedKernel::source_gradient_weights() const {
  const std::byte* copy = buffers_.prepared_backward[0];
  return copy ? floats(copy) : buffers_.parameters[0];
}

void WeightedKernel::bind(const KernelBuffers& b) {
  Kernel::bind(b);
  std::byte* const rounded_src = b.scratchpad + src_.at;
  std::byte* const rounded_diff_dst = b.scratchpad + diff_dst_.at;
  std::byte* const scratchpad = b.scratchpad + rounded_bytes_;
  src_.call.set(DNNL_ARG_FROM, b.src[0]);
  src_.call.set(DNNL_ARG_TO, rounded_src);
  diff_dst_.call.set(DNNL_ARG_FROM, b.diff_dst[0]);
  diff_dst_.call.set(DNNL_ARG_TO, rounded_diff_dst);
  forward_.set(DNNL_ARG_SRC, forward_rounds_ ? rounded_src : b.src[0]);
  forward_.set(DNNL_ARG_WEIGHTS, forward_weights());
  forward_.set(DNNL_ARG_BIAS, forward_bias());
  forward_.set(DNNL_ARG_DST, b.dst);
  forward_.set(DNNL_ARG_SCRATCHPAD, scratchpad);
  weight_gradient_.set(DNNL_ARG_SRC, weight_gradient_rounds_ ? rounded_src : b.src[0]);
  weight_gradient_.set(DNNL_ARG_DIFF_DST,
                       weight_gradient_rounds_ ? rounded_diff_dst : b.diff_dst[0]);
  weight_gradient_.set(DNNL_ARG_SCRATCHPAD, scratchpad);
  source_gradient_.set(DNNL_ARG_DIFF_SRC, b.diff_src[0]);
  source_gradient_.set(DNNL_ARG_WEIGHTS, source_gradient_weights());
  source_gradient_.set(DNNL_ARG_DIFF_DST,
                       source_gradient_rounds_ ? rounded_diff_dst : b.diff_dst[0]);
  source_gradient_.set(DNNL_ARG_SCRATCHPAD, scratchpad);
}

void WeightedKernel::forward(const StepArgs&) {
  run_forward();
}

void WeightedKernel::run_forward() {
  if (forward_rounds_) src_.call.run();
  forward_.run();
}

// Both gradients read it, one after the other.
void WeightedKernel::round_diff_dst() {
  if (!std::exchange(diff_dst_.done, true)) diff_dst_.call.run();
}

void WeightedKernel::run_source_gradient() {
  if (source_gradient_rounds_) round_diff_dst();
  source_gradient_.run();
}

void WeightedKernel::run_weight_gradient(float* weights, float* bias) {
  if (weight_gradient_rounds_) {
    src_.call.run();
    round_diff_dst();
  }
  weight_gradient_.set(DNNL_ARG_DIFF_WEIGHTS, weights);
  weight_gradient_.set(DNNL_ARG_DIFF_BIAS, bias);
  weight_gradient_.run();
}

void WeightedKernel::backward(const StepArgs& args) {
  if (relu_) {
    best_loops().relu_gradient(floats(buffers_.diff_dst[0]), floats(buffers_.diff_dst[1]),
                               floats(buffers_.dst), spec_.dst.bytes / sizeof(float));
  }
  diff_dst_.done = false;
  if (buffers_.diff_src[0]) run_source_gradient();
  if (!buffers_.gradient_wanted[0]) return;
  run_weight_gradient(args.gradients + buffers_.gradient_offsets[0],
                      args.gradients + buffers_.gradient_offsets[1]);
}

}  // namespace convoy::onednn
