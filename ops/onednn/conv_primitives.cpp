#include "ops/onednn/conv_primitives.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace convoy::onednn {
namespace {

bool any_fallback(const ConvPrimitives& p) {
  return is_fallback(p.forward.impl_info_str()) ||
         (p.weight_gradient && is_fallback(p.weight_gradient->impl_info_str())) ||
         (p.source_gradient && is_fallback(p.source_gradient->impl_info_str()));
}

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

// A feature map in the same order; nothing for an order that only the library knows.
std::optional<MemoryDesc> rounded(const MemoryDesc& desc) {
  using Tag = dnnl::memory::format_tag;
  using Type = dnnl::memory::data_type;
  const Dims dims = dims_of(desc);
  for (const Tag tag : {Tag::nchw, Tag::nhwc, Tag::nChw8c, Tag::nChw16c}) {
    if (desc == MemoryDesc(dims, Type::f32, tag)) return MemoryDesc(dims, Type::bf16, tag);
  }
  return std::nullopt;
}

// Whether each element that is rounded takes part in products enough. Measured on an AMD EPYC of
// the Zen 4 kind (benchmarks/conv_bench.cpp), two single-threaded kernels at a time: with 1x1
// filters a pass takes 1.2 to 2 times less time from 64 channels on, 1.1 times less to 1.4 times
// more below; with 3x3 filters 1.3 to 2.3 times less from 16 channels on.
bool rounding_pays(const ConvShape& shape) {
  const Dims weights = dims_of(shape.weights);
  if (weights.size() != 4) return false;  // grouped
  const std::int64_t channels = std::min(weights[0], weights[1]);
  return channels >= 16 && channels * weights[2] * weights[3] >= 64;
}

// Not in plain loops, nor by way of a matrix of patches.
template <class PrimitiveDesc>
bool is_fast(const PrimitiveDesc& desc) {
  const std::string_view name = desc.impl_info_str();
  return !is_fallback(name) && !name.starts_with("gemm");
}

}  // namespace

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
  if (!any_fallback(offered)) return offered;
  const Dims src = dims_of(shape.src), dst = dims_of(shape.dst);
  for (const auto& [s, d] :
       {std::pair(any(src), any(dst)), std::pair(channels_last(src), channels_last(dst)),
        std::pair(plain(src), plain(dst))}) {
    ConvPrimitives candidate = with(s, d);
    if (!any_fallback(candidate)) return candidate;
  }
  return offered;
}

void round_factors(const Context& context, const KernelRequest& request, const ConvShape& shape,
                   const MemoryDesc* masters, ConvPrimitives& primitives) {
  const auto src = rounded(shape.src), dst = rounded(shape.dst);
  if (!src || !dst || !rounding_pays(shape)) return;
  const MemoryDesc weights(dims_of(shape.weights), dnnl::memory::data_type::bf16,
                           dnnl::memory::format_tag::any);
  const auto with = [&](const MemoryDesc& from, const MemoryDesc& by, const MemoryDesc& to) {
    ConvShape pass = shape;
    pass.src = from;
    pass.weights = by;
    pass.dst = to;
    return pass;
  };
  const auto forward = conv_forward(context.engine(), request.mode == Mode::training,
                                    with(*src, weights, shape.dst));
  if (primitives.source_gradient) {
    const auto gradient =
        conv_backward_data(context.engine(), with(shape.src, weights, *dst), forward);
    if (is_fast(gradient)) primitives.source_gradient = gradient;
  }
  if (primitives.weight_gradient) {
    const auto gradient = conv_backward_weights(
        context.engine(), with(*src, masters ? *masters : any(dims_of(shape.weights)), *dst),
        forward);
    if (is_fast(gradient)) primitives.weight_gradient = gradient;
  }
  if (is_fast(forward)) primitives.forward = forward;
}

}  // namespace convoy::onednn
