// oneDNN 2.x: an operation descriptor first, then the primitive descriptor.
#include <fmt/format.h>

#include <cmath>

#include "ops/onednn/descriptors.h"

namespace convoy::onednn {
namespace {

constexpr auto direct = dnnl::algorithm::convolution_direct;

dnnl::prop_kind forward_kind(bool training) {
  return training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
}

}  // namespace

dnnl::primitive_attr user_scratchpad(bool add, bool relu, float relu_cap) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops ops;
  if (add) ops.append_sum();
  if (relu && std::isinf(relu_cap)) {
    ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  } else if (relu) {
    ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_clip, 0.0f, relu_cap);
  }
  attr.set_post_ops(ops);
  return attr;
}

dnnl::convolution_forward::primitive_desc conv_forward(const dnnl::engine& engine, bool training,
                                                       const ConvShape& s) {
  using Forward = dnnl::convolution_forward;
  const auto kind = forward_kind(training);
  const auto desc = s.bias ? Forward::desc(kind, direct, s.src, s.weights, *s.bias, s.dst,
                                           s.strides, s.dilates, s.pad_before, s.pad_after)
                           : Forward::desc(kind, direct, s.src, s.weights, s.dst, s.strides,
                                           s.dilates, s.pad_before, s.pad_after);
  return {desc, user_scratchpad(s.add, s.relu, s.relu_cap), engine};
}

dnnl::convolution_backward_data::primitive_desc conv_backward_data(
    const dnnl::engine& engine, const ConvShape& s,
    const dnnl::convolution_forward::primitive_desc& hint) {
  return {dnnl::convolution_backward_data::desc(direct, s.src, s.weights, s.dst, s.strides,
                                                s.dilates, s.pad_before, s.pad_after),
          user_scratchpad(), engine, hint};
}

dnnl::convolution_backward_weights::primitive_desc conv_backward_weights(
    const dnnl::engine& engine, const ConvShape& s,
    const dnnl::convolution_forward::primitive_desc& hint) {
  using Backward = dnnl::convolution_backward_weights;
  const auto desc = s.bias ? Backward::desc(direct, s.src, s.weights, *s.bias, s.dst, s.strides,
                                            s.dilates, s.pad_before, s.pad_after)
                           : Backward::desc(direct, s.src, s.weights, s.dst, s.strides, s.dilates,
                                            s.pad_before, s.pad_after);
  return {desc, user_scratchpad(), engine, hint};
}

dnnl::inner_product_forward::primitive_desc linear_forward(const dnnl::engine& engine,
                                                           bool training, const LinearShape& s) {
  using Forward = dnnl::inner_product_forward;
  const auto kind = forward_kind(training);
  const auto desc = s.bias ? Forward::desc(kind, s.src, s.weights, *s.bias, s.dst)
                           : Forward::desc(kind, s.src, s.weights, s.dst);
  return {desc, user_scratchpad(false, s.relu), engine};
}

dnnl::inner_product_backward_data::primitive_desc linear_backward_data(
    const dnnl::engine& engine, const LinearShape& s,
    const dnnl::inner_product_forward::primitive_desc& hint) {
  return {dnnl::inner_product_backward_data::desc(s.src, s.weights, s.dst), user_scratchpad(),
          engine, hint};
}

dnnl::inner_product_backward_weights::primitive_desc linear_backward_weights(
    const dnnl::engine& engine, const LinearShape& s,
    const dnnl::inner_product_forward::primitive_desc& hint) {
  using Backward = dnnl::inner_product_backward_weights;
  const auto desc = s.bias ? Backward::desc(s.src, s.weights, *s.bias, s.dst)
                           : Backward::desc(s.src, s.weights, s.dst);
  return {desc, user_scratchpad(), engine, hint};
}

dnnl::pooling_forward::primitive_desc pool_forward(const dnnl::engine& engine, bool training,
                                                   const PoolShape& s) {
  return {dnnl::pooling_forward::desc(forward_kind(training), s.algorithm, s.src, s.dst, s.strides,
                                      s.kernel, s.pad_before, s.pad_after),
          user_scratchpad(), engine};
}

dnnl::pooling_backward::primitive_desc pool_backward(
    const dnnl::engine& engine, const PoolShape& s,
    const dnnl::pooling_forward::primitive_desc& hint) {
  return {dnnl::pooling_backward::desc(s.algorithm, s.src, s.dst, s.strides, s.kernel, s.pad_before,
                                       s.pad_after),
          user_scratchpad(), engine, hint};
}

dnnl::eltwise_forward::primitive_desc eltwise_forward(const dnnl::engine& engine, bool training,
                                                      const Eltwise& function,
                                                      const MemoryDesc& data) {
  return {dnnl::eltwise_forward::desc(forward_kind(training), function.algorithm, data,
                                      function.alpha, function.beta),
          user_scratchpad(), engine};
}

dnnl::eltwise_backward::primitive_desc eltwise_backward(
    const dnnl::engine& engine, const Eltwise& function, const MemoryDesc& data,
    const dnnl::eltwise_forward::primitive_desc& hint) {
  return {
      dnnl::eltwise_backward::desc(function.algorithm, data, data, function.alpha, function.beta),
      user_scratchpad(), engine, hint};
}

dnnl::lrn_forward::primitive_desc lrn_forward(const dnnl::engine& engine, bool training,
                                              const LrnShape& s) {
  return {dnnl::lrn_forward::desc(forward_kind(training), dnnl::algorithm::lrn_across_channels,
                                  s.data, s.size, s.alpha, s.beta, s.k),
          user_scratchpad(), engine};
}

dnnl::lrn_backward::primitive_desc lrn_backward(const dnnl::engine& engine, const LrnShape& s,
                                                const dnnl::lrn_forward::primitive_desc& hint) {
  return {dnnl::lrn_backward::desc(dnnl::algorithm::lrn_across_channels, s.data, s.data, s.size,
                                   s.alpha, s.beta, s.k),
          user_scratchpad(), engine, hint};
}

Dims dims_of(const MemoryDesc& desc) {
  return desc.dims();
}

DType type_of(const MemoryDesc& desc) {
  return desc.data_type() == dnnl::memory::data_type::bf16 ? DType::bf16 : DType::f32;
}

std::string format_of(const MemoryDesc& desc) {
  if (desc.data.format_kind != dnnl_blocked) return fmt::format("opaque{}", desc.get_size());
  const auto& blocking = desc.data.format_desc.blocking;
  std::string text = "strides";
  for (int axis = 0; axis < desc.data.ndims; ++axis)
    text += fmt::format(":{}", blocking.strides[axis]);
  for (int i = 0; i < blocking.inner_nblks; ++i) {
    text += fmt::format(" {}{}", blocking.inner_blks[i],
                        "abcdefgh"[static_cast<int>(blocking.inner_idxs[i])]);
  }
  return text;
}

}  // namespace convoy::onednn
