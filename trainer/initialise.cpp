#include "trainer/initialise.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "ops/core/check.h"
#include "ops/core/random.h"

namespace convoy {
namespace {

// FNV-1a, 64 bits: which stream of numbers a name draws from. Never change it: results of old runs
// depend on it.
std::uint64_t stream_of(std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

const Shape& weight_shape(const Graph& graph, const Parameter& parameter) {
  for (const int sibling : graph.nodes()[parameter.node].parameters) {
    const Parameter& candidate = graph.parameters()[sibling];
    if (candidate.role == ParameterRole::weight) return candidate.shape;
  }
  fail(ExitCode::internal, parameter.name, "a bias without weights");
}

}  // namespace

std::vector<float> first_values(const Graph& graph, int index, std::uint64_t seed) {
  const Parameter& parameter = graph.parameters()[index];
  std::vector<float> values(parameter.shape.elements());
  Random random(seed, RandomUse::initialise, stream_of(parameter.name));
  const auto uniform_by_inputs = [&](const Shape& weights) {
    const float bound = 1.0f / std::sqrt(static_cast<float>(weights.elements() / weights[0]));
    for (float& value : values) value = random.uniform(-bound, bound);
  };

  switch (parameter.role) {
    case ParameterRole::weight:
      if (parameter.shape.rank() == 2) {
        uniform_by_inputs(parameter.shape);
      } else {
        const auto fan_out =
            static_cast<float>(parameter.shape[0] * parameter.shape[2] * parameter.shape[3]);
        const float deviation = std::sqrt(2.0f / fan_out);
        for (float& value : values) value = deviation * random.normal();
      }
      break;
    case ParameterRole::bias:
      uniform_by_inputs(weight_shape(graph, parameter));
      break;
    case ParameterRole::scale:
    case ParameterRole::running_variance:
      std::ranges::fill(values, 1.0f);
      break;
    case ParameterRole::shift:
    case ParameterRole::running_mean:
      break;
  }
  return values;
}

}  // namespace convoy
