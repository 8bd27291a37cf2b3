#include "ops/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "ops/core/arena.h"
#include "ops/core/check.h"
#include "ops/fusion.h"
#include "ops/liveness.h"
#include "ops/plan_schedule.h"
#include "ops/recompute.h"

namespace convoy {
namespace {

constexpr std::size_t align_floats(std::size_t floats) {
  return align_up(floats * sizeof(float)) / sizeof(float);
}

// A value of the plan: what a step makes, in one layout.
struct Tensor {
  TensorDesc desc;
  int producer = -1;  // step; -1: the graph's input
  bool needs_gradient = false;
  std::vector<int> users;  // steps, one entry per use
  int storage = -1;
  int again = -1;              // storage of what a second forward pass of its producer makes
  std::vector<int> gradients;  // storages of what its users' backward passes contribute
};

// Drops the steps that the last one does not need: auxiliary heads.
void keep_needed(std::vector<FusedStep>& steps) {
  std::set<int> needed{steps.back().output.id};
  std::vector<bool> kept(steps.size());
  for (std::size_t i = steps.size(); i-- > 0;) {
    kept[i] = needed.contains(steps[i].output.id);
    if (!kept[i]) continue;
    for (const Value value : steps[i].inputs) needed.insert(value.id);
  }
  std::size_t i = 0;
  std::erase_if(steps, [&](const FusedStep&) { return !kept[i++]; });
}

}  // namespace

// Builds a plan in the order of its decisions: steps, parameters, then time and memory.
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
  std::vector<Tensor> tensors;
  std::vector<TensorDesc> masters;  // by graph parameter

  std::vector<PlacedParameter> place_parameters(std::size_t& statistics_end, std::size_t& floats,
                                                std::vector<std::size_t>& ready);
  // Returns the arena's size.
  std::size_t place_tensors(Plan::Schedule& schedule);
  int logits() const { return of_value_[graph_.logits().id]; }

 private:
  int steps_count() const { return static_cast<int>(steps.size()); }
  // A moment for every run of a step: forward, then backward with second forward passes before it.
  struct Times {
    int forward = 0;
    int again = -1;  // -1: never
    int backward = 0;
  };
  void set_times();
  int backward_time(int step) const { return times_[step].backward; }
  // The segment of steps that are recomputed together; -1: none.
  int segment_of(int step) const { return step < 0 ? -1 : segment_of_[step]; }

  void make_steps();
  void make_step(const FusedStep& fused);
  int in_layout(int tensor, const TensorDesc& wanted, const std::string& name);
  int add_tensor(const TensorDesc& desc, bool needs_gradient);
  bool trainable(int step) const;
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

int PlanBuilder::add_tensor(const TensorDesc& desc, bool needs_gradient) {
  Tensor tensor;
  tensor.desc = desc;
  tensor.producer = steps_count() - 1;
  tensor.needs_gradient = needs_gradient;
  tensors.push_back(std::move(tensor));
  return static_cast<int>(tensors.size()) - 1;
}

bool PlanBuilder::trainable(int step) const {
  return std::any_of(steps[step].parameters.begin(), steps[step].parameters.end(),
                     [&](int index) { return !is_statistic(graph_.parameters()[index].role); });
}

void PlanBuilder::make_steps() {
  for (const Parameter& parameter : graph_.parameters()) {
    masters.push_back(plain_desc(parameter.shape));
  }
  of_value_.assign(graph_.values(), -1);
  of_value_[graph_.input().id] = add_tensor(plain_desc(graph_.shape(graph_.input())), false);
  std::vector<FusedStep> fused = fuse_steps(graph_, options_.fuse, options_.mode);
  if (!training_) keep_needed(fused);
  for (const FusedStep& step : fused) make_step(step);
}

void PlanBuilder::make_step(const FusedStep& fused) {
  std::vector<int> inputs;
  std::vector<TensorDesc> offered, given;
  bool source_gradient = false;
  for (const Value value : fused.inputs) {
    inputs.push_back(of_value_[value.id]);
    offered.push_back(tensors[inputs.back()].desc);
    source_gradient |= training_ && tensors[inputs.back()].needs_gradient;
  }
  for (const int index : fused.parameters) {
    if (options_.adopt) {
      given.push_back(options_.adopt->parameters()[index].desc);
    } else if (!training_) {
      given.push_back(plain_desc(graph_.parameters()[index].shape));
    }
  }
  const KernelSpec spec = backend_
                              .make(fused.op, {.place = fused.name,
                                               .mode = options_.mode,
                                               .src = offered,
                                               .parameters = given,
                                               .source_gradient = source_gradient})
                              ->spec();
  for (std::size_t i = 0; i < inputs.size(); ++i)
    inputs[i] = in_layout(inputs[i], spec.src[i], fused.name);

  const int step = steps_count();
  for (const int input : inputs) tensors[input].users.push_back(step);
  for (std::size_t i = 0; i < fused.parameters.size(); ++i)
    masters[fused.parameters[i]] = spec.parameters[i];
  steps.push_back({fused.name, fused.op, inputs, -1, fused.parameters, spec, fused.fused});
  ScheduledStep entry;
  entry.offered = std::move(offered);
  entry.source_gradient = source_gradient;
  entry.has_backward = source_gradient || (training_ && trainable(step));
  scheduled.push_back(std::move(entry));
  steps[step].output = of_value_[fused.output.id] =
      add_tensor(spec.dst, scheduled[step].has_backward);
}

// The tensor, or a copy of it in the layout that a kernel wants.
int PlanBuilder::in_layout(int tensor, const TensorDesc& wanted, const std::string& name) {
  const TensorDesc from = tensors[tensor].desc;
  if (from.layout == wanted.layout) return tensor;
  const auto [known, fresh] = reordered_.try_emplace({tensor, wanted.layout.id}, -1);
  if (!fresh) return known->second;
  const int step = steps_count();
  tensors[tensor].users.push_back(step);
  const KernelSpec spec = backend_.make_reorder(from, wanted)->spec();
  steps.push_back({name + " reorder", Flatten{}, {tensor}, -1, {}, spec, {}});
  ScheduledStep entry;
  entry.reorder = true;
  entry.offered = {from, wanted};
  entry.source_gradient = entry.has_backward = tensors[tensor].needs_gradient;
  scheduled.push_back(std::move(entry));
  steps[step].output = known->second = add_tensor(wanted, tensors[tensor].needs_gradient);
  return known->second;
}

std::vector<PlacedParameter> PlanBuilder::place_parameters(std::size_t& statistics_end,
                                                           std::size_t& floats,
                                                           std::vector<std::size_t>& ready) {
  std::vector<PlacedParameter> placed;
  for (std::size_t i = 0; i < masters.size(); ++i) {
    const Parameter& parameter = graph_.parameters()[i];
    placed.push_back({.name = parameter.name,
                      .role = parameter.role,
                      .desc = masters[i],
                      .floats = masters[i].bytes / sizeof(float)});
    if (is_statistic(parameter.role)) {
      placed.back().momentum = std::get<BatchNorm>(graph_.nodes()[parameter.node].op).momentum;
    }
  }
  std::size_t end = head_floats;
  const auto place = [&](int index) {
    placed[index].offset = end;
    end = align_floats(end + placed[index].floats);
  };
  for (std::size_t i = 0; i < placed.size(); ++i) {
    if (is_statistic(placed[i].role)) place(static_cast<int>(i));
  }
  statistics_end = end;
  for (int step = steps_count(); step-- > 0;) {
    for (const int index : steps[step].parameters) {
      if (!is_statistic(placed[index].role)) place(index);
    }
    if (trainable(step)) {
      scheduled[step].ready = end;
      ready.push_back(end);
    }
  }
  // Of auxiliary heads, which inference leaves out: nobody reads them, but they can be written.
  for (std::size_t i = 0; i < placed.size(); ++i) {
    if (placed[i].offset == 0) place(static_cast<int>(i));
  }
  floats = end;
  return placed;
}

int PlanBuilder::new_storage(std::string what, std::size_t bytes, int first, int last) {
  storages_.push_back({.bytes = bytes, .use = {first, last}, .second_use = {}});
  uses_.push_back(std::move(what));
  return static_cast<int>(storages_.size()) - 1;
}

void PlanBuilder::set_times() {
  segment_of_.assign(steps.size(), -1);
  if (training_ && options_.recompute) {
    std::vector<StepMemory> memory;
    for (const PlanStep& s : steps) {
      memory.push_back({s.spec.dst.bytes + s.spec.workspace, {}});
      for (const int input : s.inputs) memory.back().inputs.push_back(tensors[input].producer);
    }
    segments_ = recompute_segments(memory);
  }
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
  if (!s.spec.forward_in_place || s.spec.backward_reads_src) return false;
  const Tensor& src = tensors[s.inputs[0]];
  if (src.producer < 0 || src.users.size() != 1 || src.desc.bytes != s.spec.dst.bytes) return false;
  if (segment_of(step) >= 0 && segment_of(src.producer) != segment_of(step)) return false;
  return !training_ || !steps[src.producer].spec.backward_reads_dst;
}

// Whether what a step adds to is read by nobody later, so that the sum can take its place.
bool PlanBuilder::may_add_in_place(int step) const {
  const PlanStep& s = steps[step];
  if (training_ || !s.spec.forward_adds_in_place || s.inputs[0] == s.inputs[1]) return false;
  const Tensor& term = tensors[s.inputs[1]];
  return term.producer >= 0 && term.users.back() == step && s.inputs[1] != logits() &&
         term.storage != tensors[s.inputs[0]].storage;
}

// Where `reader` finds the tensor in that run; -1: in the caller's images.
int PlanBuilder::stored(int tensor, int reader, Run run) const {
  const Tensor& t = tensors[tensor];
  const bool together = segment_of(t.producer) == segment_of(reader);
  return run == Run::again && together && t.producer >= 0 ? t.again : t.storage;
}

void PlanBuilder::place_forward(int step, Run run) {
  const PlanStep& s = steps[step];
  const int now = run == Run::again ? times_[step].again : times_[step].forward;
  // The run whose results backward reads.
  const bool final = run == Run::again || segment_of(step) < 0;
  const int backward = final && scheduled[step].has_backward ? backward_time(step) : now;

  Tensor& dst = tensors[s.output];
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
    if (scheduled[step].has_backward) route_step_gradients(step);
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
    Tensor& src = tensors[s.inputs[i]];
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
      ScheduledStep::Again& again = entry.again.emplace();
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

Plan::Plan(const Graph& graph, Backend& backend, PlanOptions options)
    : backend_(backend), options_(options), schedule_(std::make_unique<Schedule>()) {
  PlanBuilder builder(graph, backend, options);
  images_ = graph.shape(graph.input());
  logits_ = graph.shape(graph.logits());
  parameters_ = builder.place_parameters(statistics_end_, parameter_floats_, ready_offsets_);
  if (options.adopt) {
    parameters_ = options.adopt->parameters_;
    statistics_end_ = options.adopt->statistics_end_;
    parameter_floats_ = options.adopt->parameter_floats_;
    options_.adopt = nullptr;
  }
  activation_bytes_ = builder.place_tensors(*schedule_);
  steps_ = std::move(builder.steps);
}

Plan::~Plan() = default;

std::string Plan::describe() const {
  std::string text =
      fmt::format("backend {}\nimages {}  parameters {} floats  activations {} bytes\n",
                  backend_.name(), images_.text(), parameter_floats_, activation_bytes_);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const PlanStep& step = steps_[i];
    std::string name = step.name;
    for (const std::string& fused : step.fused) name += " + " + fused;
    text += fmt::format("{:<44} {:<10} {:<16} {}\n", name,
                        schedule_->steps[i].reorder ? "reorder" : kind_of(step.op),
                        step.spec.dst.shape.text(),
                        step.spec.algorithm + (schedule_->steps[i].again ? ", twice" : ""));
  }
  for (const PlacedParameter& parameter : parameters_) {
    text += fmt::format("{:<44} {:<16} at {:<10} {}\n", parameter.name, parameter.desc.shape.text(),
                        parameter.offset, backend_.layout_name(parameter.desc));
  }
  return text;
}

std::string Plan::describe_memory() const {
  std::vector<ArenaBlock> blocks = schedule_->blocks;
  std::ranges::sort(blocks, [](const ArenaBlock& a, const ArenaBlock& b) {
    return std::pair(a.storage.offset, a.storage.use.first) <
           std::pair(b.storage.offset, b.storage.use.first);
  });
  std::string text =
      fmt::format("activation arena: {} bytes in {} blocks\n{:>14}{:>14}  {:<18}{}\n",
                  activation_bytes_, blocks.size(), "offset", "bytes", "moments", "what");
  for (const auto& [what, storage] : blocks) {
    const auto& [use, second] = std::pair(storage.use, storage.second_use);
    std::string moments = fmt::format("{}-{}", use.first, use.last);
    if (second.first <= second.last) moments += fmt::format(", {}-{}", second.first, second.last);
    text += fmt::format("{:>14}{:>14}  {:<18}{}\n", storage.offset, storage.bytes, moments, what);
  }
  return text;
}

}  // namespace convoy
