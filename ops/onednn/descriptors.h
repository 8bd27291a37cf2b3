// The seam to oneDNN's version: primitive descriptors, whose construction differs between 2.x
// and 3.x. descriptors_v2.cpp or descriptors_v3.cpp implements it, chosen by CMake; nothing else
// knows the version.
//
// All take memory descriptors as they are (format `any` where the library shall choose) and an
// attribute with user-managed scratchpads. They throw dnnl::error where the library has no
// implementation.
#pragma once

#include <limits>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "ops/core/dtype.h"

namespace convoy::onednn {

using Dims = dnnl::memory::dims;
using MemoryDesc = dnnl::memory::desc;

struct ConvShape {
  MemoryDesc src, weights, dst;
  std::optional<MemoryDesc> bias;
  Dims strides, dilates, pad_before, pad_after;  // dilates: 0 is dense

  bool add = false;   // forward adds to what dst holds
  bool relu = false;  // and then stores max(0, .), but nothing above the cap
  float relu_cap = std::numeric_limits<float>::infinity();
};

dnnl::convolution_forward::primitive_desc conv_forward(const dnnl::engine& engine, bool training,
                                                       const ConvShape& shape);
// `hint`: the forward descriptor of the same convolution.
dnnl::convolution_backward_data::primitive_desc conv_backward_data(
    const dnnl::engine& engine, const ConvShape& shape,
    const dnnl::convolution_forward::primitive_desc& hint);
dnnl::convolution_backward_weights::primitive_desc conv_backward_weights(
    const dnnl::engine& engine, const ConvShape& shape,
    const dnnl::convolution_forward::primitive_desc& hint);

struct LinearShape {
  MemoryDesc src, weights, dst;
  std::optional<MemoryDesc> bias;
  bool relu = false;  // forward stores max(0, .)
};

dnnl::inner_product_forward::primitive_desc linear_forward(const dnnl::engine& engine,
                                                           bool training, const LinearShape& shape);
dnnl::inner_product_backward_data::primitive_desc linear_backward_data(
    const dnnl::engine& engine, const LinearShape& shape,
    const dnnl::inner_product_forward::primitive_desc& hint);
dnnl::inner_product_backward_weights::primitive_desc linear_backward_weights(
    const dnnl::engine& engine, const LinearShape& shape,
    const dnnl::inner_product_forward::primitive_desc& hint);

struct PoolShape {
  dnnl::algorithm algorithm;
  MemoryDesc src, dst;
  Dims strides, kernel, pad_before, pad_after;
};

dnnl::pooling_forward::primitive_desc pool_forward(const dnnl::engine& engine, bool training,
                                                   const PoolShape& shape);
dnnl::pooling_backward::primitive_desc pool_backward(
    const dnnl::engine& engine, const PoolShape& shape,
    const dnnl::pooling_forward::primitive_desc& hint);

// An element-wise function whose backward pass reads dst, so that forward may work in place.
struct Eltwise {
  dnnl::algorithm algorithm;
  float alpha = 0, beta = 0;
};

dnnl::eltwise_forward::primitive_desc eltwise_forward(const dnnl::engine& engine, bool training,
                                                      const Eltwise& function,
                                                      const MemoryDesc& data);
dnnl::eltwise_backward::primitive_desc eltwise_backward(
    const dnnl::engine& engine, const Eltwise& function, const MemoryDesc& data,
    const dnnl::eltwise_forward::primitive_desc& hint);

// Local response normalisation across channels.
struct LrnShape {
  MemoryDesc data;
  int size;
  float alpha, beta, k;
};

dnnl::lrn_forward::primitive_desc lrn_forward(const dnnl::engine& engine, bool training,
                                              const LrnShape& shape);
dnnl::lrn_backward::primitive_desc lrn_backward(const dnnl::engine& engine, const LrnShape& shape,
                                                const dnnl::lrn_forward::primitive_desc& hint);

Dims dims_of(const MemoryDesc& desc);
// float or bf16.
DType type_of(const MemoryDesc& desc);
// Whether an implementation, by its name, is the plain one for what nothing fast covers.
inline bool is_fallback(std::string_view implementation) {
  return implementation.find("ref") != std::string_view::npos;
}
// "nChw16c"-like name of the physical order, for people and for the agreement of ranks.
std::string format_of(const MemoryDesc& desc);

// An attribute with user-managed scratchpads, and what a forward pass does after its sums.
dnnl::primitive_attr user_scratchpad(bool add = false, bool relu = false,
                                     float relu_cap = std::numeric_limits<float>::infinity());

}  // namespace convoy::onednn
