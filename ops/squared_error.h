// Squared error against a target for every class.
//
//   target[n, c] = off + (on - off) * given[n, c]
//   loss[n]      = 1/2 * sum over c of (src[n, c] - target[n, c])^2
//   d_src[n, c]  = loss_scale * weight * (src[n, c] - target[n, c])
//
// `given` is 1 at the row's label and 0 elsewhere, or its soft labels where the step has them. A
// label below 0 makes the row empty: no loss, no gradient.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/parameter.h"

namespace convoy {

struct SquaredError {
  float on = 1;      // target of the label
  float off = 0;     // target of the other classes; -1 suits outputs of tanh
  float weight = 1;  // of this loss in the sum of all losses
};

// src [N, classes] -> dst [N]
Shape output_shape(const SquaredError& op, std::string_view place, std::span<const Shape> inputs);
inline std::vector<ParameterSpec> parameters(const SquaredError&, std::span<const Shape>) {
  return {};
}
inline double multiply_adds(const SquaredError&, std::span<const Shape>) {
  return 0;
}

}  // namespace convoy
