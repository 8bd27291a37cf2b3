#include "ops/plan_builder.h"

#include <algorithm>
#include <set>

#include "ops/core/arena.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

constexpr std::size_t align_floats(std::size_t floats) {
  return align_up(floats * sizeof(float)) / sizeof(float);
}

// Drops the steps that `output` does not need: auxiliary heads, and what follows it.
void keep_needed(std::vector<FusedStep>& steps, Value output) {
  std::set<int> needed{output.id};
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

int PlanBuilder::add_tensor(const TensorDesc& desc, bool needs_gradient) {
  PlannedTensor tensor;
  tensor.desc = desc;
  tensor.producer = steps_count() - 1;
  tensor.needs_gradient = needs_gradient;
  tensors.push_back(std::move(tensor));
  return static_cast<int>(tensors.size()) - 1;
}

bool PlanBuilder::trainable(const std::vector<int>& parameters) const {
  return std::ranges::any_of(parameters, [&](int index) {
    return !is_statistic(graph_.parameters()[index].role) && !frozen(index);
  });
}

void PlanBuilder::make_steps() {
  for (const Parameter& parameter : graph_.parameters()) {
    masters.push_back(plain_desc(parameter.shape));
  }
  of_value_.assign(graph_.values(), -1);
  of_value_[graph_.input().id] = add_tensor(plain_desc(graph_.shape(graph_.input())), false);
  std::vector<FusedStep> fused = fuse_steps(graph_, {.mode = options_.mode,
                                                     .fuse = options_.fuse,
                                                     .frozen = options_.frozen,
                                                     .output = options_.output});
  if (!training_) keep_needed(fused, options_.output.value_or(fused.back().output));
  for (const FusedStep& step : fused) make_step(step);
  logits_ = of_value_[options_.output.value_or(graph_.logits()).id];
  if (options_.output) {
    require(!training_, ExitCode::internal, "plan", "training needs the loss, expected no output");
    logits_ = in_layout(logits_, plain_desc(graph_.shape(*options_.output)), "output");
  }
  require(options_.frozen.empty() || scheduled.back().has_backward, ExitCode::config, "freeze",
          "leaves nothing to train, expected some parameter on the way to the loss");
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
    } else if (fused.mode == Mode::inference) {
      given.push_back(plain_desc(graph_.parameters()[index].shape));
    }
  }
  const bool parameter_gradients = training_ && trainable(fused.parameters);
  const KernelSpec spec = backend_
                              .make(fused.op, {.place = fused.name,
                                               .mode = fused.mode,
                                               .src = offered,
                                               .parameters = given,
                                               .source_gradient = source_gradient,
                                               .parameter_gradients = parameter_gradients})
                              ->spec();
  for (std::size_t i = 0; i < inputs.size(); ++i)
    inputs[i] = in_layout(inputs[i], spec.src[i], fused.name);

  const int step = steps_count();
  for (const int input : inputs) tensors[input].users.push_back(step);
  for (std::size_t i = 0; i < fused.parameters.size(); ++i)
    masters[fused.parameters[i]] = spec.parameters[i];
  steps.push_back(
      {fused.name, fused.op, fused.mode, inputs, -1, fused.parameters, spec, fused.fused});
  ScheduledStep entry;
  entry.offered = std::move(offered);
  entry.source_gradient = source_gradient;
  entry.parameter_gradients = parameter_gradients;
  entry.has_backward = source_gradient || parameter_gradients;
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
  steps.push_back({name + " reorder", Flatten{}, options_.mode, {tensor}, -1, {}, spec, {}});
  ScheduledStep entry;
  entry.reorder = true;
  entry.offered = {from, wanted};
  entry.source_gradient = entry.has_backward = tensors[tensor].needs_gradient;
  scheduled.push_back(std::move(entry));
  steps[step].output = known->second = add_tensor(wanted, tensors[tensor].needs_gradient);
  return known->second;
}

ParameterArena PlanBuilder::place_parameters() {
  ParameterArena arena;
  std::vector<PlacedParameter>& placed = arena.placed;
  for (std::size_t i = 0; i < masters.size(); ++i) {
    const Parameter& parameter = graph_.parameters()[i];
    placed.push_back({.name = parameter.name,
                      .role = parameter.role,
                      .desc = masters[i],
                      .floats = masters[i].bytes / sizeof(float),
                      .frozen = frozen(static_cast<int>(i))});
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
    if (is_statistic(placed[i].role) && !placed[i].frozen) place(static_cast<int>(i));
  }
  arena.statistics_end = end;
  for (int step = steps_count(); step-- > 0;) {
    if (!trainable(steps[step].parameters)) continue;
    for (const int index : steps[step].parameters) {
      if (!is_statistic(placed[index].role)) place(index);
    }
    scheduled[step].ready = end;
    arena.ready.push_back(end);
  }
  arena.gradient_floats = end;
  // What is frozen; and of auxiliary heads, which inference leaves out: nobody reads them, but they
  // can be written.
  for (std::size_t i = 0; i < placed.size(); ++i) {
    if (placed[i].offset == 0) place(static_cast<int>(i));
  }
  arena.floats = end;
  return arena;
}

}  // namespace convoy
