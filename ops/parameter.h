// ParameterSpec: what an op asks for in weights and running statistics.
#pragma once

#include <string>

#include "ops/core/shape.h"
#include "ops/initial.h"

namespace convoy {

// Running statistics travel with the parameters: their "gradient" is what a lane measured in its
// forward pass.
enum class ParameterRole { weight, bias, scale, shift, running_mean, running_variance };

constexpr bool is_statistic(ParameterRole role) {
  return role == ParameterRole::running_mean || role == ParameterRole::running_variance;
}

struct ParameterSpec {
  std::string name;  // "weight"; the graph puts the op's name before it: "conv1.weight"
  ParameterRole role;
  Shape shape;  // logical: OIHW for convolutions, [out, in] for linear
  Initial initial = {};
};

}  // namespace convoy
