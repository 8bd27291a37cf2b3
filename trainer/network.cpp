#include "trainer/network.h"

#include "trainer/initialise.h"
#include "trainer/transfer.h"

namespace convoy {
namespace {

PlanOptions with_frozen(PlanOptions options, const Graph& graph,
                        const std::vector<std::string>& freeze) {
  options.frozen = frozen_parameters(graph, freeze);
  return options;
}

}  // namespace

Network::Network(const ModelConfig& model, Shape images, Backend& backend, PlanOptions options,
                 const std::vector<std::string>& freeze)
    : graph(build_model(model, images)),
      plan(graph, backend, with_frozen(std::move(options), graph, freeze)) {}

void initialise(const Network& network, std::uint64_t seed, Parameters& parameters) {
  for (std::size_t i = 0; i < network.graph.parameters().size(); ++i) {
    const auto index = static_cast<int>(i);
    parameters.write(index, parameters.arena(), first_values(network.graph, index, seed));
  }
}

}  // namespace convoy
