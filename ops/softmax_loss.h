// Softmax followed by cross-entropy against a target distribution over the classes.
//
//   target[n, c] = (1 - smoothing) * given[n, c] + smoothing / classes
//   loss[n]      = - sum over c of target[n, c] * log softmax(src[n])[c]
//   d_src[n, c]  = loss_scale * weight * (softmax(src[n])[c] * sum of target[n] - target[n, c])
//
// `given` is 1 at the row's label, or its soft labels where the step has them. A label below 0
// makes the row empty: no loss, no gradient. The maximum of a row is subtracted first, so that exp
// cannot overflow. Label smoothing: Szegedy et al., "Rethinking the Inception architecture" (2016),
// section
// 7. It is for training: in inference the loss is the plain cross-entropy.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/parameter.h"

namespace convoy {

struct SoftmaxLoss {
  float smoothing = 0;  // in [0, 1)
  float weight = 1;     // of this loss in the sum of all losses; below 1 for auxiliary heads
};

// src [N, classes] -> dst [N]
Shape output_shape(const SoftmaxLoss& op, std::string_view place, std::span<const Shape> inputs);
inline std::vector<ParameterSpec> parameters(const SoftmaxLoss&, std::span<const Shape>) {
  return {};
}
inline double multiply_adds(const SoftmaxLoss&, std::span<const Shape>) {
  return 0;
}

}  // namespace convoy
