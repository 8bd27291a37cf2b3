// A parameter arena for tests of the optimizers.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ops/core/random.h"
#include "ops/plan.h"

namespace convoy::test {

inline PlacedParameter placed(std::string name, ParameterRole role, std::size_t offset, int floats,
                              float momentum = 0) {
  return {
      std::move(name), role, plain_desc(Shape{floats}), offset, static_cast<std::size_t>(floats),
      momentum};
}

inline std::vector<float> noise(std::uint64_t index, std::size_t floats) {
  Random random(1, RandomUse::test, index);
  std::vector<float> values(floats);
  for (float& value : values) value = random.normal();
  return values;
}

// Two layers of a weight and a bias, one of them longer than a block, and a batch norm.
inline std::vector<PlacedParameter> two_layers() {
  return {placed("bn.running_mean", ParameterRole::running_mean, 16, 20, 0.25f),
          placed("conv.weight", ParameterRole::weight, 48, 40000),
          placed("bn.weight", ParameterRole::scale, 40064, 20),
          placed("fc.weight", ParameterRole::weight, 40096, 1003),
          placed("fc.bias", ParameterRole::bias, 41104, 5)};
}
inline constexpr std::size_t arena_floats = 41120;

}  // namespace convoy::test
