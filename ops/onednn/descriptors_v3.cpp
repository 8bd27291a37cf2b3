// oneDNN 3.x: one constructor per primitive descriptor.
#include <fmt/format.h>

#include <cmath>

#include "ops/onednn/descriptors.h"

namespace convoy::onednn {
namespace {

constexpr auto direct = dnnl::algorithm::convolution_direct;

dnnl::prop_kind forward_kind(bool training) {
  return training ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
}

// The absent bias.
MemoryDesc or_none(const std::optional<MemoryDesc>& desc) {
  return desc ? *desc : MemoryDesc();
}

}  // namespace

dnnl::primitive_attr user_scratchpad(bool add, bool relu, float relu_cap) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops ops;
  if (add) ops.append_sum();
  if (relu && std::isinf(relu_cap)) {
    ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  } else if (relu) {
    ops.append_eltwise(dnnl::algorithm::eltwise_clip, 0.0f, relu_cap);
  }
  attr.set_post_ops(ops);
  return attr;
}

dnnl::convolution_forward::primitive_desc conv_forward(const dnnl::engine& engine, bool training,
                                                       const ConvShape& s) {
  return {
      engine,    forward_kind(training), direct,      s.src,
      s.weights, or_none(s.bias),        s.dst,       s.strides,
      s.dilates, s.pad_before,           s.pad_after, user_scratchpad(s.add, s.relu, s.relu_cap)};
}

dnnl::convolution_backward_data::primitive_desc conv_backward_data(
    const dnnl::engine& engine, const ConvShape& s,
    const dnnl::convolution_forward::primitive_desc& hint) {
  return {engine,       direct,      s.src, s.weights,        s.dst, s.strides, s.dilates,
          s.pad_before, s.pad_after, hint,  user_scratchpad()};
}

dnnl::convolution_backward_weights::primitive_desc conv_backward_weights(
    const dnnl::engine& engine, const ConvShape& s,
    const dnnl::convolution_forward::primitive_desc& hint) {
  return {engine,    direct,       s.src,       s.weights, or_none(s.bias),  s.dst, s.strides,
          s.dilates, s.pad_before, s.pad_after, hint,      user_scratchpad()};
}

dnnl::inner_product_forward::primitive_desc linear_forward(const dnnl::engine& engine,
                                                           bool training, const LinearShape& s) {
  return {engine, forward_kind(training),        s.src, s.weights, or_none(s.bias),
          s.dst,  user_scratchpad(false, s.relu)};
}

dnnl::inner_product_backward_data::primitive_desc linear_backward_data(
    const dnnl::engine& engine, const LinearShape& s,
    const dnnl::inner_product_forward::primitive_desc& hint) {
  return {engine, s.src, s.weights, s.dst, hint, user_scratchpad()};
}

dnnl::inner_product_backward_weights::primitive_desc linear_backward_weights(
    const dnnl::engine& engine, const LinearShape& s,
    const dnnl::inner_product_forward::primitive_desc& hint) {
  return {engine, s.src, s.weights, or_none(s.bias), s.dst, hint, user_scratchpad()};
}

dnnl::pooling_forward::primitive_desc pool_forward(const dnnl::engine& engine, bool training,
                                                   const PoolShape& s) {
  const Dims dense(s.kernel.size(), 0);
  return {engine,
          forward_kind(training),
          s.algorithm,
          s.src,
          s.dst,
          s.strides,
          s.kernel,
          dense,
          s.pad_before,
          s.pad_after,
          user_scratchpad()};
}

dnnl::pooling_backward::primitive_desc pool_backward(
    const dnnl::engine& engine, const PoolShape& s,
    const dnnl::pooling_forward::primitive_desc& hint) {
  const Dims dense(s.kernel.size(), 0);
  return {engine, s.algorithm,  s.src,       s.dst, s.strides,        s.kernel,
          dense,  s.pad_before, s.pad_after, hint,  user_scratchpad()};
}

dnnl::eltwise_forward::primitive_desc eltwise_forward(const dnnl::engine& engine, bool training,
                                                      const Eltwise& function,
                                                      const MemoryDesc& data) {
  return {engine, forward_kind(training), function.algorithm, data,
          data,   function.alpha,         function.beta,      user_scratchpad()};
}

dnnl::eltwise_backward::primitive_desc eltwise_backward(
    const dnnl::engine& engine, const Eltwise& function, const MemoryDesc& data,
    const dnnl::eltwise_forward::primitive_desc& hint) {
  return {engine, function.algorithm, data, data, data, function.alpha, function.beta,
          hint,   user_scratchpad()};
}

dnnl::lrn_forward::primitive_desc lrn_forward(const dnnl::engine& engine, bool training,
                                              const LrnShape& s) {
  return {engine,
          forward_kind(training),
          dnnl::algorithm::lrn_across_channels,
          s.data,
          s.data,
          s.size,
          s.alpha,
          s.beta,
          s.k,
          user_scratchpad()};
}

dnnl::lrn_backward::primitive_desc lrn_backward(const dnnl::engine& engine, const LrnShape& s,
                                                const dnnl::lrn_forward::primitive_desc& hint) {
  return {engine,
          dnnl::algorithm::lrn_across_channels,
          s.data,
          s.data,
          s.data,
          s.size,
          s.alpha,
          s.beta,
          s.k,
          hint,
          user_scratchpad()};
}

Dims dims_of(const MemoryDesc& desc) {
  return desc.get_dims();
}

DType type_of(const MemoryDesc& desc) {
  return desc.get_data_type() == dnnl::memory::data_type::bf16 ? DType::bf16 : DType::f32;
}

std::string format_of(const MemoryDesc& desc) {
  if (desc.get_format_kind() != dnnl::memory::format_kind::blocked) {
    return fmt::format("opaque{}", desc.get_size());
  }
  std::string text = "strides";
  for (const auto stride : desc.get_strides()) text += fmt::format(":{}", stride);
  const auto blocks = desc.get_inner_blks();
  const auto axes = desc.get_inner_idxs();
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    text += fmt::format(" {}{}", blocks[i], "abcdefgh"[axes[i]]);
  }
  return text;
}

}  // namespace convoy::onednn
