#include "ops/onednn/weighted.h"

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
  spec_.backward_reads_src = true;
}

void WeightedKernel::prepare_if_other(const MemoryDesc& wanted, TensorDesc& prepared) {
  if (folded_ || wanted != master_weights())
    prepared = context_.tensor(spec_.parameters[0].shape, wanted);
}

void WeightedKernel::bind(const KernelBuffers& b) {
  Kernel::bind(b);
  const void* master = b.parameters[0];
  const void* forward_copy = b.prepared[0];
  const void* backward_copy = b.prepared_backward[0];
  forward_.set(DNNL_ARG_SRC, b.src[0]);
  forward_.set(DNNL_ARG_WEIGHTS, forward_copy ? forward_copy : master);
  const void* folded_bias = b.prepared[bias_];
  forward_.set(DNNL_ARG_BIAS, folded_bias ? folded_bias : b.parameters[bias_]);
  forward_.set(DNNL_ARG_DST, b.dst);
  forward_.set(DNNL_ARG_SCRATCHPAD, b.scratchpad);
  weight_gradient_.set(DNNL_ARG_SRC, b.src[0]);
  weight_gradient_.set(DNNL_ARG_DIFF_DST, b.diff_dst[0]);
  weight_gradient_.set(DNNL_ARG_SCRATCHPAD, b.scratchpad);
  source_gradient_.set(DNNL_ARG_DIFF_SRC, b.diff_src[0]);
  source_gradient_.set(DNNL_ARG_WEIGHTS, backward_copy ? backward_copy : master);
  source_gradient_.set(DNNL_ARG_DIFF_DST, b.diff_dst[0]);
  source_gradient_.set(DNNL_ARG_SCRATCHPAD, b.scratchpad);
}

void WeightedKernel::forward(const StepArgs&) {
  forward_.run();
}

void WeightedKernel::backward(const StepArgs& args) {
  if (relu_) {
    best_loops().relu_gradient(reinterpret_cast<float*>(buffers_.diff_dst[0]),
                               reinterpret_cast<const float*>(buffers_.diff_dst[1]),
                               reinterpret_cast<const float*>(buffers_.dst),
                               spec_.dst.bytes / sizeof(float));
  }
  if (buffers_.diff_src[0]) source_gradient_.run();
  if (!buffers_.gradient_wanted[0]) return;
  weight_gradient_.set(DNNL_ARG_DIFF_WEIGHTS, args.gradients + buffers_.gradient_offsets[0]);
  weight_gradient_.set(DNNL_ARG_DIFF_BIAS, args.gradients + buffers_.gradient_offsets[1]);
  weight_gradient_.run();
}

}  // namespace convoy::onednn
