#include "ops/linear.h"

#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const Linear& op, std::string_view place, std::span<const Shape> inputs) {
  const Shape& src = require_rows(place, inputs);
  require(op.out_features >= 1, ExitCode::config, place, "{} output features, expected at least 1",
          op.out_features);
  return {src[0], op.out_features};
}

std::vector<ParameterSpec> parameters(const Linear& op, std::span<const Shape> inputs) {
  const Shape weight{op.out_features, inputs[0][1]};
  std::vector<ParameterSpec> specs{{"weight", ParameterRole::weight, weight, op.first_weights}};
  if (op.bias) {
    specs.push_back({"bias", ParameterRole::bias, Shape{op.out_features}, op.first_biases});
  }
  return specs;
}

double multiply_adds(const Linear& op, std::span<const Shape> inputs) {
  return static_cast<double>(inputs[0].elements()) * op.out_features;
}

}  // namespace convoy
