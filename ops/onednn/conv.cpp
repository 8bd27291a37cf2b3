// Convolution by oneDNN, or by Winograd's algorithm in loops of our own.
#include <cstring>
#include <optional>
#include <string_view>

#include "ops/fold.h"
#include "ops/onednn/conv_primitives.h"
#include "ops/onednn/weighted.h"
#include "ops/onednn/winograd.h"

namespace convoy::onednn {
namespace {

// [OC, IC, KH, KW], or [G, OC/G, IC/G, KH, KW]: the same elements in row-major order.
Dims weight_dims(const Conv& op, std::int64_t in_channels) {
  if (op.groups == 1) return {op.out_channels, in_channels, op.kernel.h, op.kernel.w};
  return {op.groups, op.out_channels / op.groups, in_channels / op.groups, op.kernel.h,
          op.kernel.w};
}

class ConvKernel : public WeightedKernel {
 public:
  ConvKernel(const Conv& op, const KernelRequest& request, Context& context,
             std::span<const Shape> inputs)
      : WeightedKernel(request, context, weight_dims(op, inputs[0][1]), parameters(op, inputs)) {
    const Shape dst = output_shape(op, request.place, inputs);
    ConvShape shape{.src = context.memory_desc(request.src[0]),
                    .weights = any(weight_dims(op, inputs[0][1])),
                    .dst = any(dims_of(dst)),
                    .bias = {},
                    .strides = {op.stride.h, op.stride.w},
                    .dilates = {op.dilation.h - 1, op.dilation.w - 1},
                    .pad_before = {op.pad.top, op.pad.left},
                    .pad_after = {op.pad.bottom, op.pad.right}};
    if (op.bias || op.norm) shape.bias = plain({op.out_channels});
    shape.add = op.add;
    shape.relu = op.relu;
    shape.relu_cap = op.relu_cap;
    if (op.relu) set_relu();
    if (op.norm) set_folded_bias(shift_index(op));

    const MemoryDesc given = master_weights();
    const MemoryDesc* const masters = masters_given() ? &given : nullptr;
    ConvPrimitives direct = choose_primitives(context, request, shape, masters);
    shape.src = direct.forward.src_desc();
    shape.dst = direct.forward.dst_desc();
    if (context.precision() == Precision::bf16) {
      round_factors(context, request, shape, masters, direct);
    }
    spec_.src = {context.tensor(inputs[0], shape.src)};
    spec_.dst = context.tensor(dst, shape.dst);
    set_passes(direct, context, shape);
    if (!op.add) return;
    spec_.src.push_back(spec_.dst);
    spec_.forward_adds_in_place = true;
  }

  void forward(const StepArgs& args) override {
    const std::byte* term = buffers_.src[1];
    if (term && term != buffers_.dst) std::memcpy(buffers_.dst, term, spec_.dst.bytes);
    WeightedKernel::forward(args);
  }

 private:
  // Each by Winograd's algorithm where that is faster, in the same layouts; else directly.
  void set_passes(const ConvPrimitives& direct, const Context& context, const ConvShape& shape) {
    has_bias_ = shape.bias.has_value();
    const std::optional<WinogradShape> tiles = winograd_shape(context, shape);
    const auto by_winograd = [&](ConvPass pass) {
      return tiles && (context.winograd() == Winograd::wherever_possible ||
                       (context.winograd() == Winograd::where_faster &&
                        winograd_is_faster(pass, dims_of(shape.dst))));
    };
    const MemoryDesc weights = tiles ? winograd_weights(context, shape) : MemoryDesc();
    const std::string_view name = best_winograd_loops().name;
    if (direct.weight_gradient) {
      if (by_winograd(ConvPass::weight_gradient) &&
          (!masters_given() || master_weights() == weights)) {
        weight_gradient_.emplace(*tiles);
        set_masters(weights);
        add_algorithm(name, weight_gradient_->scratchpad());
      } else {
        set_weight_gradient(*direct.weight_gradient,
                            dnnl::convolution_backward_weights(*direct.weight_gradient));
      }
    }
    if (direct.source_gradient) {
      if (by_winograd(ConvPass::source_gradient)) {
        source_gradient_.emplace(*tiles, ConvPass::source_gradient);
        prepare_backward(weights);
        add_algorithm(name, source_gradient_->scratchpad());
      } else {
        set_source_gradient(*direct.source_gradient,
                            dnnl::convolution_backward_data(*direct.source_gradient));
      }
    }
    if (by_winograd(ConvPass::forward)) {
      forward_.emplace(*tiles, ConvPass::forward);
      finish_ = {.add = shape.add, .relu = shape.relu, .cap = shape.relu_cap};
      prepare_forward(weights);
      add_algorithm(name, forward_->scratchpad());
    } else {
      set_forward(direct.forward, dnnl::convolution_forward(direct.forward));
    }
  }

  void run_forward() override {
    if (!forward_) return WeightedKernel::run_forward();
    finish_.bias = has_bias_ ? forward_bias() : nullptr;
    forward_->run(floats(buffers_.src[0]), forward_weights(), finish_, floats(buffers_.dst),
                  floats(buffers_.scratchpad));
  }
  void run_source_gradient() override {
    if (!source_gradient_) return WeightedKernel::run_source_gradient();
    source_gradient_->run(floats(buffers_.diff_dst[0]), source_gradient_weights(), {},
                          floats(buffers_.diff_src[0]), floats(buffers_.scratchpad));
  }
  void run_weight_gradient(float* weights, float* bias) override {
    if (!weight_gradient_) return WeightedKernel::run_weight_gradient(weights, bias);
    weight_gradient_->run(floats(buffers_.src[0]), floats(buffers_.diff_dst[0]), weights,
                          has_bias_ ? bias : nullptr, floats(buffers_.scratchpad));
  }

  bool has_bias_ = false;
  WinogradFinish finish_;  // of forward by Winograd's algorithm
  std::optional<WinogradConv> forward_, source_gradient_;
  std::optional<WinogradWeightGradient> weight_gradient_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Conv& op, const KernelRequest& request,
                                    Context& context) {
  std::vector<Shape> inputs;
  for (const TensorDesc& src : request.src) inputs.push_back(src.shape);
  return std::make_unique<ConvKernel>(op, request, context, inputs);
}

}  // namespace convoy::onednn
