#include "trainer/network.h"

#include "ops/core/check.h"
#include "ops/subgraph.h"
#include "trainer/initialise.h"
#include "trainer/transfer.h"

namespace convoy {
namespace {

PlanOptions with_frozen(PlanOptions options, const Graph& graph,
                        const std::vector<std::string>& freeze) {
  options.frozen = frozen_parameters(graph, freeze);
  return options;
}

// The whole model on images, the part of it that follows a layer on features.
Graph graph_of(const ModelConfig& model, const Shape& samples,
               const std::optional<FeatureOrigin>& origin) {
  if (!origin) return build_model(model, samples);
  require(model.name == origin->model, ExitCode::config, "model.name",
          "is {}, but the data set holds features of {}", model.name, origin->model);
  const auto& [channels, height, width] = origin->images;
  Graph part =
      part_behind(build_model(model, {samples[0], channels, height, width}), origin->layer);
  const Shape& input = part.shape(part.input());
  require(input[1] == samples[2] && input[2] * input[3] == samples[3], ExitCode::config, "model",
          "its {} makes {}, but the data set holds features of {} channels and {} pixels",
          origin->layer, input.text(), samples[2], samples[3]);
  return part;
}

}  // namespace

Network::Network(const ModelConfig& model, Shape samples, Backend& backend, PlanOptions options,
                 const std::vector<std::string>& freeze, const std::optional<FeatureOrigin>& origin)
    : graph(graph_of(model, samples, origin)),
      plan(graph, backend, with_frozen(std::move(options), graph, freeze)) {}

void initialise(const Network& network, std::uint64_t seed, Parameters& parameters) {
  for (std::size_t i = 0; i < network.graph.parameters().size(); ++i) {
    const auto index = static_cast<int>(i);
    parameters.write(index, parameters.arena(), first_values(network.graph, index, seed));
  }
}

}  // namespace convoy
