// Convolution by oneDNN. The forward pass chooses the layouts of its feature maps; backward is
// pinned to them, so that no value needs a reorder between the passes.
#include <string_view>

#include "ops/onednn/weighted.h"

namespace convoy::onednn {
namespace {

// [OC, IC, KH, KW], or [G, OC/G, IC/G, KH, KW]: the same elements in row-major order.
Dims weight_dims(const Conv& op, std::int64_t in_channels) {
  if (op.groups == 1) return {op.out_channels, in_channels, op.kernel.h, op.kernel.w};
  return {op.groups, op.out_channels / op.groups, in_channels / op.groups, op.kernel.h,
          op.kernel.w};
}

// Implementations for shapes that nothing fast covers.
bool is_fallback(std::string_view implementation) {
  return implementation.find("ref") != std::string_view::npos || implementation.starts_with("gemm");
}

// With the layout that the producer offers where that is fast, else with the library's choice.
dnnl::convolution_forward::primitive_desc choose_forward(const Context& context, bool training,
                                                         ConvShape shape) {
  const auto offered = conv_forward(context.engine(), training, shape);
  if (!is_fallback(offered.impl_info_str())) return offered;
  shape.src = any(dims_of(shape.src));
  const auto chosen = conv_forward(context.engine(), training, shape);
  return is_fallback(chosen.impl_info_str()) ? offered : chosen;
}

class ConvKernel : public WeightedKernel {
 public:
  ConvKernel(const Conv& op, const KernelRequest& request, Context& context,
             std::span<const Shape> inputs)
      : WeightedKernel(request, context, weight_dims(op, inputs[0][1]), parameters(op, inputs)) {
    const Shape dst = output_shape(op, request.place, inputs);
    const bool training = request.mode == Mode::training;
    ConvShape shape{.src = context.memory_desc(request.src[0]),
                    .weights = any(weight_dims(op, inputs[0][1])),
                    .dst = any(dims_of(dst)),
                    .bias = {},
                    .strides = {op.stride.h, op.stride.w},
                    .dilates = {op.dilation.h - 1, op.dilation.w - 1},
                    .pad_before = {op.pad.top, op.pad.left},
                    .pad_after = {op.pad.bottom, op.pad.right}};
    if (op.bias) shape.bias = plain({op.out_channels});

    const auto forward = choose_forward(context, training, shape);
    shape.src = forward.src_desc();
    shape.dst = forward.dst_desc();
    spec_.src = {context.tensor(inputs[0], shape.src)};
    spec_.dst = context.tensor(dst, shape.dst);
    if (training) {
      ConvShape pinned = shape;
      if (masters_given()) pinned.weights = master_weights();
      const auto gradient = conv_backward_weights(context.engine(), pinned, forward);
      set_weight_gradient(gradient, dnnl::convolution_backward_weights(gradient));
    }
    if (training && request.source_gradient) {
      const auto gradient = conv_backward_data(context.engine(), shape, forward);
      set_source_gradient(gradient, dnnl::convolution_backward_data(gradient));
    }
    set_forward(forward, dnnl::convolution_forward(forward));
  }
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Conv& op, const KernelRequest& request,
                                    Context& context) {
  const std::array inputs{request.src[0].shape};
  return std::make_unique<ConvKernel>(op, request, context, inputs);
}

}  // namespace convoy::onednn
