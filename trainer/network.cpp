#include "trainer/network.h"

#include "trainer/initialise.h"

namespace convoy {

void initialise(const Network& network, std::uint64_t seed, Parameters& parameters) {
  for (std::size_t i = 0; i < network.graph.parameters().size(); ++i) {
    const auto index = static_cast<int>(i);
    parameters.write(index, parameters.arena(), first_values(network.graph, index, seed));
  }
}

}  // namespace convoy
