// First weights: drawn per parameter from (seed, name, element), so they depend neither on layouts
// nor on the order of layers.
//
//   convolutions    normal, variance 2 / (out channels * kernel area): He, Zhang, Ren, Sun,
//                   "Delving deep into rectifiers" (2015), by fan-out as torchvision does
//   linear layers   uniform within 1 / sqrt(inputs), as torch.nn.Linear; biases likewise, those of
//                   convolutions included
//   batch norm      scale 1, shift 0, running mean 0, running variance 1
#pragma once

#include <cstdint>
#include <vector>

#include "ops/graph.h"

namespace convoy {

// Row-major values of graph.parameters()[index].
std::vector<float> first_values(const Graph& graph, int index, std::uint64_t seed);

}  // namespace convoy
