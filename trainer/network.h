// Network: a model's graph, or the part of it that works on features, and its plan for one size of
// micro-batch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ops/executor.h"
#include "ops/plan.h"
#include "trainer/feature_origin.h"
#include "trainer/models/models.h"

namespace convoy {

struct Network {
  // `backend` must outlive the network. options.adopt: the plan of the same model whose masters
  // this one reads. freeze: patterns, as in the configuration, in the place of options.frozen.
  // samples: images [N, C, H, W]; or, of an origin, features [N, 1, channels, pixels], on which the
  // part of the model works that follows their layer. Error(config) if they do not fit the model.
  Network(const ModelConfig& model, Shape samples, Backend& backend, PlanOptions options = {},
          const std::vector<std::string>& freeze = {},
          const std::optional<FeatureOrigin>& origin = {});

  Graph graph;
  Plan plan;
};

// The model's first weights, into its masters.
void initialise(const Network& network, std::uint64_t seed, Parameters& parameters);

}  // namespace convoy
