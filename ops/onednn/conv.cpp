// Convolution by oneDNN. The forward pass chooses the layouts of its feature maps; backward is
// pinned to them, so that no value needs a reorder between the passes.
#include <cstring>

#include "ops/fold.h"
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

// The primitives of a convolution; the gradients only where they are wanted.
struct ConvPrimitives {
  dnnl::convolution_forward::primitive_desc forward;
  std::optional<dnnl::convolution_backward_weights::primitive_desc> weight_gradient;
  std::optional<dnnl::convolution_backward_data::primitive_desc> source_gradient;

  bool any_fallback() const {
    return is_fallback(forward.impl_info_str()) ||
           (weight_gradient && is_fallback(weight_gradient->impl_info_str())) ||
           (source_gradient && is_fallback(source_gradient->impl_info_str()));
  }
};

ConvPrimitives make_primitives(const Context& context, const KernelRequest& request,
                               ConvShape shape, const MemoryDesc* masters) {
  const bool training = request.mode == Mode::training;
  ConvPrimitives primitives{conv_forward(context.engine(), training, shape), {}, {}};
  shape.src = primitives.forward.src_desc();
  shape.dst = primitives.forward.dst_desc();
  if (training && request.source_gradient) {
    primitives.source_gradient = conv_backward_data(context.engine(), shape, primitives.forward);
  }
  if (training) {
    if (masters) shape.weights = *masters;
    primitives.weight_gradient = conv_backward_weights(context.engine(), shape, primitives.forward);
  }
  return primitives;
}

// The first of these pairs of layouts that no pass needs a fallback for: what the producer offers;
// the library's choice; channels last; row-major. Nothing is timed, so every rank and every run
// chooses alike.
ConvPrimitives choose_primitives(const Context& context, const KernelRequest& request,
                                 const ConvShape& shape, const MemoryDesc* masters) {
  const auto with = [&](const MemoryDesc& src, const MemoryDesc& dst) {
    ConvShape candidate = shape;
    candidate.src = src;
    candidate.dst = dst;
    return make_primitives(context, request, candidate, masters);
  };
  ConvPrimitives offered = with(shape.src, shape.dst);
  if (!offered.any_fallback()) return offered;
  const Dims src = dims_of(shape.src), dst = dims_of(shape.dst);
  for (const auto& [s, d] :
       {std::pair(any(src), any(dst)), std::pair(channels_last(src), channels_last(dst)),
        std::pair(plain(src), plain(dst))}) {
    ConvPrimitives candidate = with(s, d);
    if (!candidate.any_fallback()) return candidate;
  }
  return offered;
}

// What `make` makes by Winograd's algorithm, or nothing where the library has none for the shape or
// its scratchpad is too large.
template <class Make>
auto by_winograd(const Make& make) -> std::optional<decltype(make())> {
  try {
    auto desc = make();
    if (desc.scratchpad_desc().get_size() <= max_winograd_scratchpad) return desc;
  } catch (const dnnl::error& error) {
    if (error.status != dnnl_unimplemented) throw;
  }
  return std::nullopt;
}

// Puts Winograd's algorithm into the passes that it makes faster, in the same layouts. Its weights
// lie in all three passes as those of the direct weight gradient do, so no pass needs a copy: for
// inference the library would take weights transformed before, but only by a reorder from plain
// ones that takes longer than the convolution.
void use_winograd(ConvPrimitives& primitives, const Context& context, ConvShape shape,
                  const MemoryDesc* masters) {
  // oneDNN 2.6 computes a wrong source gradient where the padding is not symmetric.
  if (shape.pad_before != shape.pad_after) return;
  shape.algorithm = dnnl::algorithm::convolution_winograd;
  shape.src = primitives.forward.src_desc();
  shape.dst = primitives.forward.dst_desc();
  const auto wanted = [&](ConvPass pass) {
    return context.winograd() == Winograd::wherever_offered ||
           winograd_is_faster(pass, dims_of(shape.src), dims_of(shape.dst));
  };
  const auto direct = primitives.forward;
  if (wanted(ConvPass::forward)) {
    if (auto desc = by_winograd([&] { return conv_forward(context.engine(), true, shape); }))
      primitives.forward = *desc;
  }
  if (primitives.source_gradient && wanted(ConvPass::source_gradient)) {
    if (auto desc =
            by_winograd([&] { return conv_backward_data(context.engine(), shape, direct); }))
      primitives.source_gradient = desc;
  }
  if (primitives.weight_gradient && wanted(ConvPass::weight_gradient)) {
    if (masters) shape.weights = *masters;
    if (auto desc =
            by_winograd([&] { return conv_backward_weights(context.engine(), shape, direct); }))
      primitives.weight_gradient = desc;
  }
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

    const MemoryDesc masters = master_weights();
    const MemoryDesc* given = masters_given() ? &masters : nullptr;
    ConvPrimitives chosen = choose_primitives(context, request, shape, given);
    if (context.winograd() != Winograd::never) use_winograd(chosen, context, shape, given);
    spec_.src = {context.tensor(inputs[0], chosen.forward.src_desc())};
    spec_.dst = context.tensor(dst, chosen.forward.dst_desc());
    if (chosen.weight_gradient) {
      set_weight_gradient(*chosen.weight_gradient,
                          dnnl::convolution_backward_weights(*chosen.weight_gradient));
    }
    if (chosen.source_gradient) {
      set_source_gradient(*chosen.source_gradient,
                          dnnl::convolution_backward_data(*chosen.source_gradient));
    }
    set_forward(chosen.forward, dnnl::convolution_forward(chosen.forward));
    if (!op.add) return;
    spec_.src.push_back(spec_.dst);
    spec_.forward_adds_in_place = true;
  }

  void forward(const StepArgs& args) override {
    const std::byte* term = buffers_.src[1];
    if (term && term != buffers_.dst) std::memcpy(buffers_.dst, term, spec_.dst.bytes);
    WeightedKernel::forward(args);
  }
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Conv& op, const KernelRequest& request,
                                    Context& context) {
  std::vector<Shape> inputs;
  for (const TensorDesc& src : request.src) inputs.push_back(src.shape);
  return std::make_unique<ConvKernel>(op, request, context, inputs);
}

}  // namespace convoy::onednn
