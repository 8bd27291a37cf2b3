// Softmax followed by cross-entropy against one class index per row.
//
//   loss[n] = log(sum over c of exp(src[n, c])) - src[n, label[n]]          (0 where label[n] < 0:
//   an empty row) d_src[n, c] = loss_scale * (softmax(src[n])[c] - [c == label[n]])       (0 where
//   label[n] < 0)
//
// The maximum of a row is subtracted first, so that exp cannot overflow.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/parameter.h"

namespace convoy {

struct SoftmaxLoss {};

// src [N, classes] -> dst [N]
Shape output_shape(const SoftmaxLoss& op, std::string_view place, std::span<const Shape> inputs);
inline std::vector<ParameterSpec> parameters(const SoftmaxLoss&, std::span<const Shape>) {
  return {};
}
inline double multiply_adds(const SoftmaxLoss&, std::span<const Shape>) {
  return 0;
}

}  // namespace convoy
