// Fusion: the graph's nodes as the steps that a plan will run.
#pragma once

#include <string>
#include <vector>

#include "ops/graph.h"

namespace convoy {

struct FusedStep {
  std::string name;
  Op op;
  std::vector<Value> inputs;
  Value output;
  std::vector<int> parameters;     // indices into Graph::parameters()
  std::vector<std::string> fused;  // further nodes that this step does
};

// Batch-norm + ReLU (or ReLU6) and batch-norm + add [+ ReLU] become one step, at the place of the
// last of them. With fuse = false each node is a step.
std::vector<FusedStep> fuse_steps(const Graph& graph, bool fuse);

}  // namespace convoy
