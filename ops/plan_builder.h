// PlanBuilder: makes a plan, in the order of its decisions: the steps with their layouts, the arena
// of parameters (plan_builder.cpp), then time and memory (plan_memory.cpp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ops/fusion.h"
#include "ops/liveness.h"
#include "ops/plan.h"
#include "ops/plan_schedule.h"
#include "ops/recompute.h"

namespace convoy {

// A value of the plan: what a step makes, in one layout.
struct PlannedTensor {
  TensorDesc desc;
  int producer = -1;  // step; -1: the graph's input
  bool needs_gradient = false;
  std::vector<int> users;  // steps, one entry per use
  int storage = -1;
  int again = -1;              // storage of what a second forward pass of its producer makes
  std::vector<int> gradients;  // storages of what its users' backward passes contribute
};

// The geometry of the parameter and gradient arenas, in floats: see plan.h.
struct ParameterArena {
  std::vector<PlacedParameter> placed;  // by graph parameter
  std::size_t statistics_end = 0;
  std::size_t gradient_floats = 0;
  std::size_t floats = 0;
  std::vector<std::size_t> ready;  // ascending ends, as backward reports them
};

class PlanBuilder {
 public:
  PlanBuilder(const Graph& graph, Backend& backend, const PlanOptions& options)
      : graph_(graph),
        backend_(backend),
        options_(options),
        training_(options.mode == Mode::training) {
    make_steps();
  }

  std::vector<PlanStep> steps;
  std::vector<ScheduledStep> scheduled;
  std::vector<PlannedTensor> tensors;
  std::vector<TensorDesc> masters;  // by graph parameter

  ParameterArena place_parameters();
  // Returns the arena's size.
  std::size_t place_tensors(Plan::Schedule& schedule);
  int logits() const { return logits_; }

 private:
  int steps_count() const { return static_cast<int>(steps.size()); }
  // A moment for every run of a step: forward, then backward with second forward passes before it.
  struct Times {
    int forward = 0;
    int again = -1;  // -1: never
    int backward = 0;
  };
  std::vector<Segment> segments_with_backward() const;
  void set_times();
  int backward_time(int step) const { return times_[step].backward; }
  bool has_backward(int step) const { return scheduled[step].has_backward; }
  // The segment of steps that are recomputed together; -1: none.
  int segment_of(int step) const { return step < 0 ? -1 : segment_of_[step]; }

  void make_steps();
  void make_step(const FusedStep& fused);
  int in_layout(int tensor, const TensorDesc& wanted, const std::string& name);
  int add_tensor(const TensorDesc& desc, bool needs_gradient);
  bool frozen(int parameter) const {
    return !options_.frozen.empty() && options_.frozen[parameter];
  }
  bool trainable(const std::vector<int>& parameters) const;  // any of them
  enum class Run { first, again };
  void place_forward(int step, Run run);
  int stored(int tensor, int reader, Run run) const;
  bool may_overwrite_source(int step) const;
  bool may_add_in_place(int step) const;
  void route_gradients();
  void route_step_gradients(int step);
  int new_storage(std::string what, std::size_t bytes, int first, int last);
  void keep_until(int storage, int time) {
    storages_[storage].use.last = std::max(storages_[storage].use.last, time);
  }

  const Graph& graph_;
  Backend& backend_;
  PlanOptions options_;
  bool training_;
  int logits_ = -1;                                         // tensor
  std::vector<int> of_value_;                               // graph value -> tensor
  std::map<std::pair<int, std::uint32_t>, int> reordered_;  // (tensor, layout) -> tensor
  std::vector<Storage> storages_;
  std::vector<std::string> uses_;  // by storage
  // What only the step itself uses: storages, -1: none.
  struct Own {
    int workspace = -1;
    int scratchpad = -1;
  };
  std::vector<Own> own_;           // by step
  std::vector<Own> own_again_;     // by step, in its second run
  std::vector<Segment> segments_;  // ascending
  std::vector<int> segment_of_;    // by step
  std::vector<Times> times_;       // by step
  int end_of_time_ = 0;
  struct Accumulation {
    int into, from;
    std::size_t floats;
  };
  std::vector<std::vector<Accumulation>> accumulations_;
  std::vector<std::vector<int>> diff_src_;  // storages by step and input, -1: none
};

}  // namespace convoy
