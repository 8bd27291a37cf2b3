// Local response normalisation across channels (Krizhevsky, Sutskever and Hinton, 2012, section
// 3.3), as torch.nn.LocalResponseNorm scales it: alpha is divided by the size.
//
//   s[n, c, p]   = k + alpha / size * sum of src[n, j, p]^2 over the `size` channels j around c
//   dst[n, c, p] = src[n, c, p] * s[n, c, p]^-beta
//
// Channels that do not exist count as zeros.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/parameter.h"

namespace convoy {

struct Lrn {
  int size = 5;  // odd
  float alpha = 1e-4f;
  float beta = 0.75f;
  float k = 1;
};

Shape output_shape(const Lrn& op, std::string_view place, std::span<const Shape> inputs);
inline std::vector<ParameterSpec> parameters(const Lrn&, std::span<const Shape>) {
  return {};
}
inline double multiply_adds(const Lrn&, std::span<const Shape>) {
  return 0;
}

}  // namespace convoy
