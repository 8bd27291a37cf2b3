#include "ops/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/plan_builder.h"
#include "ops/plan_schedule.h"

namespace convoy {

Plan::Plan(const Graph& graph, Backend& backend, PlanOptions options)
    : backend_(backend), options_(options), schedule_(std::make_unique<Schedule>()) {
  PlanBuilder builder(graph, backend, options);
  images_ = graph.shape(graph.input());
  logits_ = graph.shape(options.output.value_or(graph.logits()));
  if (options.adopt) {
    parameters_ = options.adopt->parameters_;
    statistics_end_ = options.adopt->statistics_end_;
    gradient_floats_ = options.adopt->gradient_floats_;
    parameter_floats_ = options.adopt->parameter_floats_;
    options_.adopt = nullptr;
  } else {
    ParameterArena arena = builder.place_parameters();
    parameters_ = std::move(arena.placed);
    statistics_end_ = arena.statistics_end;
    gradient_floats_ = arena.gradient_floats;
    parameter_floats_ = arena.floats;
    ready_offsets_ = std::move(arena.ready);
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
    std::string how = step.spec.algorithm;
    if (schedule_->steps[i].again) how += ", twice";
    if (mode() == Mode::training && !schedule_->steps[i].has_backward) how += ", no backward";
    text += fmt::format("{:<44} {:<10} {:<16} {}\n", name,
                        schedule_->steps[i].reorder ? "reorder" : kind_of(step.op),
                        step.spec.dst.shape.text(), how);
  }
  for (const PlacedParameter& parameter : parameters_) {
    text += fmt::format("{:<44} {:<16} at {:<10} {}{}\n", parameter.name,
                        parameter.desc.shape.text(), parameter.offset,
                        backend_.layout_name(parameter.desc), parameter.frozen ? ", frozen" : "");
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
