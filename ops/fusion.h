// Fusion: the graph's nodes as the steps that a plan will run.
#pragma once

#include <string>
#include <vector>

#include "ops/backend.h"
#include "ops/graph.h"

namespace convoy {

struct FusedStep {
  std::string name;
  Op op;
  std::vector<Value> inputs;
  Value output;
  std::vector<int> parameters;     // indices into Graph::parameters(), in the fused op's order
  std::vector<std::string> fused;  // further nodes that this step does
};

// What follows an op and is read by nobody else becomes one step with it, at the place of the last:
//
//   training    batch-norm [+ add] [+ ReLU or ReLU6], convolution + ReLU, linear + ReLU
//   inference   also convolution [+ batch-norm] [+ add] [+ ReLU or ReLU6]
//
// With fuse = false each node is a step.
std::vector<FusedStep> fuse_steps(const Graph& graph, bool fuse, Mode mode = Mode::training);

}  // namespace convoy
