// Transfer: a run that begins with the weights of another one, and leaves some of them alone.
#pragma once

#include <string>
#include <vector>

#include "ops/executor.h"
#include "ops/graph.h"
#include "trainer/config.h"

namespace convoy {

// By graph parameter: whether `patterns` (fnmatch(3), over names) freeze it. A layer is frozen as a
// whole, with its running statistics. Empty if there are no patterns. Error(config) for a pattern
// that fits no parameter, and where only a part of a layer is meant.
std::vector<bool> frozen_parameters(const Graph& graph, const std::vector<std::string>& patterns);

// Fills the parameters from init.weights and init.head, of runs and checkpoints with the average of
// the weights where they keep one. Error(data), with nothing written, if tensors are missing,
// unexpected or of other shapes.
void take_weights(const InitConfig& init, Parameters& parameters);

}  // namespace convoy
