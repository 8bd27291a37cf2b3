// Element-wise non-linearities, and the two ops that only rename or combine values: add and
// flatten.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/parameter.h"

namespace convoy {

enum class ActivationKind { relu, relu6, sigmoid, tanh };

// relu: max(0, x); relu6: that, cut off at 6; sigmoid: 1 / (1 + exp(-x)); tanh. The gradient is
// computed from dst alone.
struct Activation {
  ActivationKind kind = ActivationKind::relu;
};

// dst = src0 + src1, equal shapes.
struct Add {};

// NCHW -> [N, C*H*W], in that order.
struct Flatten {};

Shape output_shape(const Activation& op, std::string_view place, std::span<const Shape> inputs);
Shape output_shape(const Add& op, std::string_view place, std::span<const Shape> inputs);
Shape output_shape(const Flatten& op, std::string_view place, std::span<const Shape> inputs);
inline std::vector<ParameterSpec> parameters(const Activation&, std::span<const Shape>) {
  return {};
}
inline std::vector<ParameterSpec> parameters(const Add&, std::span<const Shape>) {
  return {};
}
inline std::vector<ParameterSpec> parameters(const Flatten&, std::span<const Shape>) {
  return {};
}
inline double multiply_adds(const Activation&, std::span<const Shape>) {
  return 0;
}
inline double multiply_adds(const Add&, std::span<const Shape>) {
  return 0;
}
inline double multiply_adds(const Flatten&, std::span<const Shape>) {
  return 0;
}

}  // namespace convoy
