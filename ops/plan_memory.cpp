// When each step of a plan runs, what it keeps until when, and where in the arena that lies.
#include <algorithm>

#include "ops/core/check.h"
#include "ops/plan_builder.h"

namespace convoy {

int PlanBuilder::new_storage(std::string what, std::size_t bytes, int first, int last) {
  storages_.push_back({.bytes = bytes, .use = {first, last}, .second_use = {}});
  uses_.push_back(std::move(what));
  return static_cast<int>(storages_.size()) - 1;
}

// Of the steps from the first on that has a backward pass: those before are forgotten in any case.
std::vector<Segment> PlanBuilder::segments_with_backward() const {
  int first = 0;
  while (first < steps_count() && !has_backward(first)) ++first;
  std::vector<StepMemory> memory;
  for (int step = first; step < steps_count(); ++step) {
    const PlanStep& s = steps[step];
    memory.push_back({s.spec.dst.bytes + s.spec.workspace, {}});
    for (const int input : s.inputs) {
      memory.back().inputs.push_back(std::max(tensors[input].producer - first, -1));
    }
  }
  std::vector<Segment> segments = recompute_segments(memory);
  for (Segment& segment : segments) {
    segment.first += first;
    segment.end += first;
  }
  return segments;
}

void PlanBuilder::set_times() {
  segment_of_.assign(steps.size(), -1);
  if (training_ && options_.recompute) segments_ = segments_with_backward();
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    Segment& segment = segments_[i];
    std::fill_n(segment_of_.begin() + segment.first, segment.end - segment.first,
                static_cast<int>(i));
    scheduled[segment.end - 1].again_first = segment.first;
    // What only the next segment reads is still there.
    const KernelSpec& last = steps[segment.end - 1].spec;
    const bool wanted = last.backward_reads_dst || last.workspace > 0;
    scheduled[segment.end - 1].again_end = wanted ? segment.end : segment.end - 1;
  }
  times_.resize(steps.size());
  int now = 0;
  for (Times& times : times_) times.forward = now++;
  for (int step = steps_count(); step-- > 0;) {
    for (int i = scheduled[step].again_first; i < scheduled[step].again_end; ++i) {
      times_[i].again = now++;
    }
    times_[step].backward = now++;
  }
  end_of_time_ = now;
}

bool PlanBuilder::may_overwrite_source(int step) const {
  const PlanStep& s = steps[step];
  if (!s.spec.forward_in_place || (has_backward(step) && s.spec.backward_reads_src)) return false;
  const PlannedTensor& src = tensors[s.inputs[0]];
  if (src.producer < 0 || src.users.size() != 1 || src.desc.bytes != s.spec.dst.bytes) return false;
  if (segment_of(step) >= 0 && segment_of(src.producer) != segment_of(step)) return false;
  return !has_backward(src.producer) || !steps[src.producer].spec.backward_reads_dst;
}

// Whether what a step adds to is read by nobody later, so that the sum can take its place.
bool PlanBuilder::may_add_in_place(int step) const {
  const PlanStep& s = steps[step];
  if (s.mode == Mode::training || !s.spec.forward_adds_in_place || s.inputs[0] == s.inputs[1] ||
      segment_of(step) >= 0) {
    return false;
  }
  const PlannedTensor& term = tensors[s.inputs[1]];
  const bool wanted_later = std::ranges::any_of(term.users, [&](int user) {
    return has_backward(user) && steps[user].inputs[0] == s.inputs[1] &&
           steps[user].spec.backward_reads_src;
  });
  return term.producer >= 0 && term.users.back() == step && !wanted_later &&
         s.inputs[1] != logits() && term.storage != tensors[s.inputs[0]].storage;
}

// Where `reader` finds the tensor in that run; -1: in the caller's images.
int PlanBuilder::stored(int tensor, int reader, Run run) const {
  const PlannedTensor& t = tensors[tensor];
  const bool together = segment_of(t.producer) == segment_of(reader);
  return run == Run::again && together && t.producer >= 0 ? t.again : t.storage;
}

void PlanBuilder::place_forward(int step, Run run) {
  const PlanStep& s = steps[step];
  const int now = run == Run::again ? times_[step].again : times_[step].forward;
  // The run whose results backward reads.
  const bool final = run == Run::again || segment_of(step) < 0;
  const int backward = final && has_backward(step) ? backward_time(step) : now;

  PlannedTensor& dst = tensors[s.output];
  int& storage = run == Run::again ? dst.again : dst.storage;
  storage = may_overwrite_source(step) ? stored(s.inputs[0], step, run)
            : may_add_in_place(step)   ? stored(s.inputs[1], step, run)
                                       : new_storage(s.name, s.spec.dst.bytes, now, now);
  keep_until(storage, s.spec.backward_reads_dst ? backward : now);
  for (std::size_t i = 0; i < s.inputs.size(); ++i) {
    const int source = stored(s.inputs[i], step, run);
    if (source < 0) continue;
    keep_until(source, i == 0 && s.spec.backward_reads_src ? backward : now);
  }
  Own& own = (run == Run::again ? own_again_ : own_)[step];
  if (s.spec.workspace > 0) {
    own.workspace = new_storage(s.name + ", workspace", s.spec.workspace, now, backward);
  }
  if (s.spec.scratchpad > 0) {
    own.scratchpad = new_storage(s.name + ", scratchpad", s.spec.scratchpad, now, now);
    if (backward > now) storages_[own.scratchpad].second_use = {backward, backward};
  }
}

void PlanBuilder::route_gradients() {
  accumulations_.resize(steps.size());
  for (const PlanStep& step : steps) diff_src_.emplace_back(step.inputs.size(), -1);
  for (int step = steps_count(); step-- > 0;) {
    if (has_backward(step)) route_step_gradients(step);
  }
}

void PlanBuilder::route_step_gradients(int step) {
  const PlanStep& s = steps[step];
  const int now = backward_time(step);
  const std::vector<int>& incoming = tensors[s.output].gradients;
  require(is_loss(s.op) || !incoming.empty(), ExitCode::config, s.name,
          "nothing uses its output, expected it to reach the loss");
  for (const int storage : incoming) keep_until(storage, now);

  for (std::size_t i = 0; i < s.inputs.size(); ++i) {
    PlannedTensor& src = tensors[s.inputs[i]];
    if (!src.needs_gradient) continue;
    const bool shared = !incoming.empty() && ((i == 0 && s.spec.backward_in_place) ||
                                              (i == 1 && s.spec.shares_diff_dst));
    diff_src_[step][i] =
        shared ? incoming[0]
               : new_storage(s.name + ", gradient of its input", src.desc.bytes, now, now);
    src.gradients.push_back(diff_src_[step][i]);
    // What the producer's backward cannot add itself is added here.
    const std::size_t accepted = steps[src.producer].spec.sums_diff_dst ? 2 : 1;
    while (src.gradients.size() > accepted) {
      accumulations_[step].push_back(
          {src.gradients.front(), src.gradients.back(), src.desc.bytes / sizeof(float)});
      keep_until(src.gradients.front(), now);
      src.gradients.pop_back();
    }
  }
}

std::size_t PlanBuilder::place_tensors(Plan::Schedule& schedule) {
  set_times();
  own_.resize(steps.size());
  own_again_.resize(steps.size());
  for (int step = 0; step < steps_count(); ++step) place_forward(step, Run::first);
  keep_until(tensors[logits()].storage, steps_count());
  keep_until(tensors[steps.back().output].storage, end_of_time_);
  for (int step = steps_count(); training_ && step-- > 0;) {
    for (int i = scheduled[step].again_first; i < scheduled[step].again_end; ++i) {
      place_forward(i, Run::again);
    }
  }
  if (training_) route_gradients();

  const std::size_t arena = place_storages(storages_);
  const auto place = [&](int storage) {
    return storage < 0 ? nowhere : static_cast<Place>(storages_[storage].offset);
  };
  const auto place_of = [&](int tensor, int reader, Run run) {
    return tensors[tensor].producer < 0 ? graph_input : place(stored(tensor, reader, run));
  };
  for (int step = 0; step < steps_count(); ++step) {
    ScheduledStep& entry = scheduled[step];
    const PlanStep& s = steps[step];
    for (std::size_t i = 0; i < s.inputs.size(); ++i) {
      entry.src[i] = place_of(s.inputs[i], step, Run::first);
    }
    entry.dst = place(tensors[s.output].storage);
    entry.workspace = place(own_[step].workspace);
    entry.scratchpad = place(own_[step].scratchpad);
    if (segment_of(step) >= 0) {
      SecondRun& again = entry.again.emplace();
      for (std::size_t i = 0; i < s.inputs.size(); ++i) {
        again.src[i] = place_of(s.inputs[i], step, Run::again);
      }
      again.dst = place(tensors[s.output].again);
      again.workspace = place(own_again_[step].workspace);
      again.scratchpad = place(own_again_[step].scratchpad);
    }
    if (!training_) continue;
    const std::vector<int>& incoming = tensors[s.output].gradients;
    for (std::size_t i = 0; i < incoming.size(); ++i) entry.diff_dst[i] = place(incoming[i]);
    for (std::size_t i = 0; i < s.inputs.size(); ++i) entry.diff_src[i] = place(diff_src_[step][i]);
    for (const Accumulation& a : accumulations_[step]) {
      entry.accumulations.push_back({place(a.into), place(a.from), a.floats});
    }
  }
  for (std::size_t i = 0; i < storages_.size(); ++i) {
    const Storage& block = storages_[i];
    schedule.blocks.push_back({uses_[i], block});
  }
  schedule.logits = place(tensors[logits()].storage);
  schedule.losses = place(tensors[steps.back().output].storage);
  schedule.steps = std::move(scheduled);
  return arena;
}

}  // namespace convoy
