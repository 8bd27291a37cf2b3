// Network: a model's graph and its plan for one size of micro-batch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/executor.h"
#include "ops/plan.h"
#include "trainer/models/models.h"

namespace convoy {

struct Network {
  // `backend` must outlive the network. options.adopt: the plan of the same model whose masters
  // this one reads. freeze: patterns, as in the configuration, in the place of options.frozen.
  Network(const ModelConfig& model, Shape images, Backend& backend, PlanOptions options = {},
          const std::vector<std::string>& freeze = {});

  Graph graph;
  Plan plan;
};

// The model's first weights, into its masters.
void initialise(const Network& network, std::uint64_t seed, Parameters& parameters);

}  // namespace convoy
