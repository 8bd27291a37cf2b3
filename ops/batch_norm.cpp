#include "ops/batch_norm.h"

#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const BatchNorm& op, std::string_view place, std::span<const Shape> inputs) {
  if (op.add) require_pair(place, inputs);
  const Shape& src = require_images(place, inputs.first(op.add ? 1 : inputs.size()));
  require(op.epsilon > 0 && op.momentum >= 0 && op.momentum <= 1, ExitCode::config, place,
          "epsilon {} and momentum {}, expected epsilon above 0 and momentum from 0 to 1",
          op.epsilon, op.momentum);
  require(!op.relu || op.relu_cap > 0, ExitCode::config, place, "cut off at {}, expected above 0",
          op.relu_cap);
  return src;
}

std::vector<ParameterSpec> parameters(const BatchNorm& op, std::span<const Shape> inputs) {
  const Shape channels{inputs[0][1]};
  return {{"weight", ParameterRole::scale, channels, constant(op.first_scale)},
          {"bias", ParameterRole::shift, channels},
          {"running_mean", ParameterRole::running_mean, channels},
          {"running_var", ParameterRole::running_variance, channels}};
}

void require_statistics(const BatchNorm& op, std::string_view place, const Shape& src) {
  require(op.synchronised || src[0] * src[2] * src[3] > 1, ExitCode::config, place,
          "input is {}: one value per channel has no variance; "
          "expected at least 2 (a larger batch per lane, or larger images)",
          src.text());
}

}  // namespace convoy
