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

Initial by_role(const Parameter& parameter) {
  switch (parameter.role) {
    case ParameterRole::weight:
      return parameter.shape.rank() == 2 ? uniform_by_inputs() : kaiming_normal();
    case ParameterRole::bias:
      return uniform_by_inputs();
    case ParameterRole::scale:
    case ParameterRole::running_variance:
      return constant(1);
    case ParameterRole::shift:
    case ParameterRole::running_mean:
      break;
  }
  return constant(0);
}

class Drawer {
 public:
  Drawer(std::vector<float>& values, Random random) : values_(values), random_(random) {}

  void uniform(float bound) {
    for (float& value : values_) value = random_.uniform(-bound, bound);
  }
  void normal(float deviation) {
    for (float& value : values_) value = deviation * random_.normal();
  }
  void truncated_normal(float deviation) {
    for (float& value : values_) {
      do value = random_.normal();
      while (std::abs(value) > 2);
      value *= deviation;
    }
  }

 private:
  std::vector<float>& values_;
  Random random_;
};

}  // namespace

std::vector<float> first_values(const Graph& graph, int index, std::uint64_t seed) {
  const Parameter& parameter = graph.parameters()[index];
  std::vector<float> values(parameter.shape.elements());
  const Initial initial =
      parameter.initial.kind == Initial::Kind::by_role ? by_role(parameter) : parameter.initial;
  if (initial.kind == Initial::Kind::constant) {
    std::ranges::fill(values, initial.size);
    return values;
  }

  const Shape& weights = weight_shape(graph, parameter);
  // Locally connected layers hold a set of weights [OC, IC, KH, KW] per kind of position.
  const int first = weights.rank() == 5 ? 1 : 0;
  const std::int64_t set = weights.elements() / (first == 1 ? weights[0] : 1);
  const auto inputs = static_cast<float>(set / weights[first]);
  const auto outputs = static_cast<float>(set / weights[first + 1]);
  Drawer draw(values, Random(seed, RandomUse::initialise, stream_of(parameter.name)));
  switch (initial.kind) {
    case Initial::Kind::by_role:
    case Initial::Kind::constant:
      break;
    case Initial::Kind::normal:
      draw.normal(initial.size);
      break;
    case Initial::Kind::truncated_normal:
      draw.truncated_normal(initial.size);
      break;
    case Initial::Kind::kaiming_normal:
      draw.normal(std::sqrt(2.0f / outputs));
      break;
    case Initial::Kind::kaiming_uniform:
      draw.uniform(std::sqrt(6.0f / inputs));
      break;
    case Initial::Kind::xavier_uniform:
      draw.uniform(std::sqrt(6.0f / (inputs + outputs)));
      break;
    case Initial::Kind::uniform_by_inputs:
      draw.uniform(1.0f / std::sqrt(inputs));
      break;
    case Initial::Kind::uniform_by_outputs:
      draw.uniform(1.0f / std::sqrt(outputs));
      break;
  }
  return values;
}

}  // namespace convoy
