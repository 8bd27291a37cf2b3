#include "trainer/transfer.h"

#include <algorithm>
#include <filesystem>

#include "ops/core/check.h"
#include "ops/core/log.h"
#include "trainer/checkpoint.h"
#include "trainer/weights.h"

namespace convoy {
namespace {

Safetensors open_weights(const std::filesystem::path& source) {
  if (!std::filesystem::is_directory(source)) return Safetensors(source);
  LoadedCheckpoint checkpoint = find_checkpoint(source);
  return checkpoint.average ? std::move(*checkpoint.average) : std::move(checkpoint.model);
}

void require_fits(const std::string& pattern, const Graph& graph) {
  require(std::ranges::any_of(graph.parameters(),
                              [&](const Parameter& p) { return matches(pattern, p.name); }),
          ExitCode::config, "freeze",
          "'{}' fits no parameter of this model, expected a pattern of "
          "names such as {}",
          pattern, graph.parameters().back().name);
}

}  // namespace

std::vector<bool> frozen_parameters(const Graph& graph, const std::vector<std::string>& patterns) {
  if (patterns.empty()) return {};
  for (const std::string& pattern : patterns) require_fits(pattern, graph);
  const auto meant = [&](int index) {
    const std::string& name = graph.parameters()[index].name;
    return std::ranges::any_of(patterns, [&](const auto& p) { return matches(p, name); });
  };
  const auto is_weight = [&](int index) { return !is_statistic(graph.parameters()[index].role); };
  std::vector<bool> frozen(graph.parameters().size(), false);
  for (const Node& node : graph.nodes()) {
    const auto named = std::ranges::find_if(node.parameters, meant);
    if (named == node.parameters.end()) continue;
    const auto left = std::ranges::find_if(
        node.parameters, [&](int index) { return is_weight(index) && !meant(index); });
    if (left != node.parameters.end()) {
      fail(ExitCode::config, "freeze",
           "{} is frozen and {} is not, expected patterns of whole layers: '{}.*'",
           graph.parameters()[*named].name, graph.parameters()[*left].name, node.name);
    }
    for (const int index : node.parameters) frozen[index] = true;
  }
  return frozen;
}

void take_weights(const InitConfig& init, Parameters& parameters) {
  ImportOptions options{.skip = init.skip, .rename = {}};
  for (const auto& [from, to] : init.rename) options.rename.emplace_back(from, to);
  const Safetensors weights = open_weights(init.weights);
  const int taken = init.head.empty()
                        ? import_parameters(weights, parameters, options)
                        : import_parameters(weights, open_weights(init.head), parameters, options);
  log_info("begins with {} of {} parameters and running statistics from {}{}", taken,
           parameters.placed().size(), init.weights, init.head.empty() ? "" : " and " + init.head);
}

}  // namespace convoy
