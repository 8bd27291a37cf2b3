// Fully connected layer: dst[n, o] = bias[o] + sum over i of weights[o, i] * src[n, i].
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/parameter.h"

namespace convoy {

struct Linear {
  int out_features = 0;
  bool bias = true;
  Initial first_weights;
  Initial first_biases;
  bool relu = false;  // negative results become zero (set by the plan's fusion)
};

// src [N, I] -> dst [N, out_features]
Shape output_shape(const Linear& op, std::string_view place, std::span<const Shape> inputs);
// weight [O, I]; bias [O]
std::vector<ParameterSpec> parameters(const Linear& op, std::span<const Shape> inputs);
double multiply_adds(const Linear& op, std::span<const Shape> inputs);

}  // namespace convoy
