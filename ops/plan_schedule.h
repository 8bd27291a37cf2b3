// Schedule: the part of a plan that only the executor reads: where each step's tensors lie, and how
// gradients flow.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "ops/liveness.h"
#include "ops/plan.h"

namespace convoy {

// Byte offset in the activation arena.
using Place = std::ptrdiff_t;
inline constexpr Place nowhere = -1;
inline constexpr Place graph_input = -2;  // the caller's images

constexpr std::array<Place, KernelBuffers::max_inputs> all_nowhere() {
  std::array<Place, KernelBuffers::max_inputs> places{};
  places.fill(nowhere);
  return places;
}

// The places of a step that runs a second time, which backward relies on.
struct SecondRun {
  std::array<Place, KernelBuffers::max_inputs> src = all_nowhere();
  Place dst = nowhere;
  Place workspace = nowhere;
  Place scratchpad = nowhere;
};

struct ScheduledStep {
  bool reorder = false;             // a change of layout; no op
  std::vector<TensorDesc> offered;  // the inputs' descriptions as the kernel was asked with them
  bool source_gradient = false;
  bool parameter_gradients = false;
  bool has_backward = false;
  std::array<Place, KernelBuffers::max_inputs> src = all_nowhere();
  Place dst = nowhere;
  std::array<Place, 2> diff_dst{nowhere, nowhere};
  std::array<Place, KernelBuffers::max_inputs> diff_src = all_nowhere();
  Place workspace = nowhere;
  Place scratchpad = nowhere;
  // Where the step's results are forgotten after forward. Before this step's backward, the steps
  // [again_first, again_end) run again.
  std::optional<SecondRun> again;
  int again_first = 0;
  int again_end = 0;
  // After this step's backward: floats at `from` are added to those at `into`.
  struct Accumulation {
    Place into;
    Place from;
    std::size_t floats;
  };
  std::vector<Accumulation> accumulations;
  // Gradient offset below which all is final after this step's backward; 0: no news.
  std::size_t ready = 0;
};

// What lies where in the activation arena, and when.
struct ArenaBlock {
  std::string what;
  Storage storage;
};

struct Plan::Schedule {
  std::vector<ScheduledStep> steps;
  std::vector<TensorDesc> masters;  // by parameter
  std::vector<ArenaBlock> blocks;
  Place logits = nowhere;
  Place losses = nowhere;
};

}  // namespace convoy
