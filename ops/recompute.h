// Recompute: which steps of a plan forget what they computed and compute it again when backward
// comes to them: memory for time (Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear
// memory cost", 2016).
#pragma once

#include <cstddef>
#include <vector>

namespace convoy {

// Steps [first, end).
struct Segment {
  int first = 0;
  int end = 0;
};

// One step as this file sees it.
struct StepMemory {
  std::size_t bytes = 0;    // of its output and workspace
  std::vector<int> inputs;  // the steps that make its inputs; -1: the images
};

// Cuts the steps where a single value passes from the steps before to those behind, into segments
// of about equal memory, as many as keep the least: the values at the cuts and the largest segment.
// The last segment, whose backward pass follows at once, is left out. Empty where nothing is won.
std::vector<Segment> recompute_segments(const std::vector<StepMemory>& steps);

}  // namespace convoy
