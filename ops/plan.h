// Plan: everything that is decided before step one. Fusions, layouts and reorders, which gradients
// are wanted, the liveness of every tensor, and the offsets of all of them in one activation arena;
// parameters and gradients in two arenas of one geometry.
//
// Gradient arena of a lane (floats; the parameter arena has the same offsets):
//
//   [0, head_floats)              scalars that ride along: see LaneScalars
//   [head_floats, stats_end)      running statistics: what the lane's forward pass measured
//   [stats_end, gradient_floats)  gradients, in the order in which backward finishes them
//
// so that everything below an offset is final once backward has passed it, and buckets are slices.
// The parameter arena goes on with what is frozen, which has no gradient and nothing that grows
// from one: backward ends where nothing before it is trained.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ops/backend.h"
#include "ops/graph.h"

namespace convoy {

// Scalars at the head of a lane's gradient arena, summed over lanes with the gradients.
struct LaneScalars {
  float samples = 0;
  float loss = 0;        // sum over samples
  float hits = 0;        // top-1
  float non_finite = 0;  // 1 if the lane's loss is not finite
  float stop = 0;        // 1 if this lane's rank was asked to stop
  float spare[11] = {};
};
inline constexpr std::size_t head_floats = sizeof(LaneScalars) / sizeof(float);
static_assert(head_floats == 16);

struct PlacedParameter {
  std::string name;
  ParameterRole role;
  TensorDesc desc;         // logical shape; layout of master and gradient
  std::size_t offset = 0;  // floats, in the parameter and the gradient arena; a multiple of 16
  std::size_t floats = 0;  // padding of the layout included
  float momentum = 0;      // of running statistics: share of the new value
  bool frozen = false;     // training leaves it alone: no place in the gradient arena
};

struct PlanStep {
  std::string name;
  Op op;                       // after fusion
  Mode mode = Mode::training;  // inference before all that is trained
  std::vector<int> inputs;     // tensor indices
  int output = -1;
  std::vector<int> parameters;  // indices into Plan::parameters()
  KernelSpec spec;
  std::vector<std::string> fused;  // names of the graph's nodes that this step does
};

struct PlanOptions {
  Mode mode = Mode::training;
  bool fuse = true;
  bool recompute = false;  // training with less memory and a second forward pass of most steps
  // By graph parameter, of whole layers, running statistics included: those that training leaves
  // alone. Empty: none.
  std::vector<bool> frozen;
  // Of inference: what it computes in the place of the logits, and no further.
  std::optional<Value> output;
  // Masters already placed by another plan over the same graph: adopt its arena geometry.
  const class Plan* adopt = nullptr;
};

class Plan {
 public:
  // `backend` must outlive the plan.
  Plan(const Graph& graph, Backend& backend, PlanOptions options = {});
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  const std::vector<PlacedParameter>& parameters() const { return parameters_; }
  std::size_t parameter_floats() const { return parameter_floats_; }
  std::size_t gradient_floats() const { return gradient_floats_; }
  std::size_t statistics_end() const { return statistics_end_; }
  // Ascending offsets at which backward reports progress; the last is gradient_floats().
  const std::vector<std::size_t>& ready_offsets() const { return ready_offsets_; }
  std::size_t activation_bytes() const { return activation_bytes_; }
  Shape images() const { return images_; }
  Shape logits() const { return logits_; }  // or of options.output
  Mode mode() const { return options_.mode; }
  Backend& backend() const { return backend_; }
  const std::vector<PlanStep>& steps() const { return steps_; }
  // One line per step and the memory plan; also what the ranks compare before step one.
  std::string describe() const;
  // The map of the activation arena: every block with its place, and the moments (a run of a step
  // each) from which to which it is in use.
  std::string describe_memory() const;

  struct Schedule;  // offsets and gradient routing, for the executor: plan_schedule.h
  const Schedule& schedule() const { return *schedule_; }

 private:
  Backend& backend_;
  PlanOptions options_;
  Shape images_;
  Shape logits_;
  std::vector<PlanStep> steps_;
  std::vector<PlacedParameter> parameters_;
  std::vector<std::size_t> ready_offsets_;
  std::size_t parameter_floats_ = 0;
  std::size_t gradient_floats_ = 0;
  std::size_t statistics_end_ = 0;
  std::size_t activation_bytes_ = 0;
  std::unique_ptr<Schedule> schedule_;
};

}  // namespace convoy
