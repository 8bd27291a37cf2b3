// Softmax over the classes: rows [N, C], or each pixel of maps [N, C, H, W].
//
//   dst[n, c]   = exp(src[n, c]) / sum over k of exp(src[n, k])
//   d_src[n, c] = dst[n, c] * (d_dst[n, c] - sum over k of d_dst[n, k] * dst[n, k])
//
// The maximum is subtracted first, so that exp cannot overflow. A net that ends in SoftmaxLoss has
// none of these: the loss contains it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/parameter.h"

namespace convoy {

struct Softmax {};

Shape output_shape(const Softmax& op, std::string_view place, std::span<const Shape> inputs);
inline std::vector<ParameterSpec> parameters(const Softmax&, std::span<const Shape>) {
  return {};
}
inline double multiply_adds(const Softmax&, std::span<const Shape>) {
  return 0;
}

}  // namespace convoy
