// Fully connected layer by oneDNN's inner product, over row-major features.
#include "ops/onednn/weighted.h"

namespace convoy::onednn {
namespace {

class LinearKernel : public WeightedKernel {
 public:
  LinearKernel(const Linear& op, const KernelRequest& request, Context& context,
               std::span<const Shape> inputs)
      : WeightedKernel(request, context, {op.out_features, inputs[0][1]}, parameters(op, inputs)) {
    const Shape dst = output_shape(op, request.place, inputs);
    const bool training = request.mode == Mode::training;
    spec_.src = {plain_desc(inputs[0])};
    spec_.dst = plain_desc(dst);
    LinearShape shape{.src = plain(dims_of(inputs[0])),
                      .weights = any({op.out_features, inputs[0][1]}),
                      .dst = plain(dims_of(dst)),
                      .bias = {}};
    if (op.bias) shape.bias = plain({op.out_features});
    shape.relu = op.relu;
    if (op.relu) set_relu();

    const auto forward = linear_forward(context.engine(), training, shape);
    if (training) {
      LinearShape pinned = shape;
      if (masters_given()) pinned.weights = master_weights();
      const auto gradient = linear_backward_weights(context.engine(), pinned, forward);
      set_weight_gradient(gradient, dnnl::inner_product_backward_weights(gradient));
    }
    if (training && request.source_gradient) {
      const auto gradient = linear_backward_data(context.engine(), shape, forward);
      set_source_gradient(gradient, dnnl::inner_product_backward_data(gradient));
    }
    set_forward(forward, dnnl::inner_product_forward(forward));
  }
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Linear& op, const KernelRequest& request,
                                    Context& context) {
  const std::array inputs{request.src[0].shape};
  return std::make_unique<LinearKernel>(op, request, context, inputs);
}

}  // namespace convoy::onednn
