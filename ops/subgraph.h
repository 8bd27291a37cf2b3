// Subgraph: the part of a network that follows one of its layers.
#pragma once

#include <string>

#include "ops/graph.h"

namespace convoy {

// The output of the node `layer`. Error(config) if there is none, or it is a loss.
Value output_of(const Graph& graph, const std::string& layer);

// What follows `layer`, as a network whose input is that layer's output, [N, C, H, W], or
// [N, C, 1, 1] for [N, C]; nodes and parameters keep their names. What the rest of the network has
// beside it, such as auxiliary heads before `layer`, is left out. Error(config) if `layer` is not
// all that what follows depends on, or no parameters follow it.
Graph part_behind(const Graph& graph, const std::string& layer);

}  // namespace convoy
