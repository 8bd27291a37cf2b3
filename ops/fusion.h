// Fusion: the graph's nodes as the steps that a plan will run, each in the mode that suits it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ops/backend.h"
#include "ops/graph.h"

namespace convoy {

struct FusedStep {
  std::string name;
  Op op;
  Mode mode;
  std::vector<Value> inputs;
  Value output;
  std::vector<int> parameters;     // indices into Graph::parameters(), in the fused op's order
  std::vector<std::string> fused;  // further nodes that this step does
};

// What the steps are for.
struct StepsWanted {
  Mode mode = Mode::training;
  bool fuse = true;             // false: each node is a step
  std::vector<bool> frozen;     // by graph parameter: those that training leaves alone; empty: none
  std::optional<Value> output;  // read by who asked for the steps, so that its node ends one
};

// In training, nodes in front of all that is trained run in inference mode, but for those that draw
// at random; frozen batch-norms behind it have fixed statistics. What follows an op in the same
// mode and is read by nobody else becomes one step with it, at the place of the last:
//
//   training    batch-norm [+ add] [+ ReLU or ReLU6], convolution + ReLU, linear + ReLU
//   inference   also convolution [+ batch-norm] [+ add] [+ ReLU or ReLU6]
std::vector<FusedStep> fuse_steps(const Graph& graph, const StepsWanted& wanted = {});

}  // namespace convoy
