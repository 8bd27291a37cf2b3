// Which of the library's primitives a convolution takes, in which layouts and precision. Decided by
// rules: nothing is timed, so every rank and every run chooses alike.
#pragma once

#include <optional>

#include "ops/onednn/descriptors.h"
#include "ops/onednn/memory.h"

namespace convoy::onednn {

// The gradients only where they are wanted.
struct ConvPrimitives {
  dnnl::convolution_forward::primitive_desc forward;
  std::optional<dnnl::convolution_backward_weights::primitive_desc> weight_gradient;
  std::optional<dnnl::convolution_backward_data::primitive_desc> source_gradient;
};

// In float. The forward pass chooses the layouts of its feature maps; backward is pinned to them,
// so that no value needs a reorder between the passes. `masters`: the layout of the weights that
// the weight gradient writes, where it is decided.
ConvPrimitives choose_primitives(const Context& context, const KernelRequest& request,
                                 const ConvShape& shape, const MemoryDesc* masters);

// Puts passes in their place that read feature maps and weights rounded to bf16, in the order in
// which `shape` now has them, and write float: wherever the library has fast ones and they gain
// more than the rounding costs. Products are exact and summed in float, so that nothing but the
// rounding of the factors sets the results apart.
void round_factors(const Context& context, const KernelRequest& request, const ConvShape& shape,
                   const MemoryDesc* masters, ConvPrimitives& primitives);

}  // namespace convoy::onednn
