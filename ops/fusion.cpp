#include "ops/fusion.h"

namespace convoy {
namespace {

class Fusion {
 public:
  explicit Fusion(const Graph& graph) : uses_(graph.values(), 0), sole_user_(graph.values(), -1) {
    for (const Node& node : graph.nodes()) {
      steps_.push_back({node.name, node.op, node.inputs, node.output, node.parameters, {}});
      for (const Value value : node.inputs) {
        ++uses_[value.id];
        sole_user_[value.id] = static_cast<int>(steps_.size()) - 1;
      }
    }
    absorbed_.assign(steps_.size(), false);
  }

  std::vector<FusedStep> run() {
    for (int step = 0; step < static_cast<int>(steps_.size()); ++step) {
      if (!absorbed_[step] && std::holds_alternative<BatchNorm>(steps_[step].op)) extend(step);
    }
    std::vector<FusedStep> kept;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (!absorbed_[i]) kept.push_back(std::move(steps_[i]));
    }
    return kept;
  }

 private:
  // The one step that reads this step's output, or -1.
  int sole_user(int step) const {
    const int value = steps_[step].output.id;
    return uses_[value] == 1 ? sole_user_[value] : -1;
  }

  // Moves the batch-norm at `step` down over what follows it.
  void extend(int step) {
    if (const int next = sole_user(step);
        next >= 0 && std::holds_alternative<Add>(steps_[next].op)) {
      const std::vector<Value>& terms = steps_[next].inputs;
      const Value other = terms[0] == steps_[step].output ? terms[1] : terms[0];
      FusedStep merged = absorb(step, next);
      std::get<BatchNorm>(merged.op).add = true;
      merged.inputs.push_back(other);
      steps_[next] = std::move(merged);
      step = next;
    }
    if (const int next = sole_user(step); next >= 0) {
      const auto* activation = std::get_if<Activation>(&steps_[next].op);
      if (activation &&
          (activation->kind == ActivationKind::relu || activation->kind == ActivationKind::relu6)) {
        FusedStep merged = absorb(step, next);
        auto& norm = std::get<BatchNorm>(merged.op);
        norm.relu = true;
        if (activation->kind == ActivationKind::relu6) norm.relu_cap = 6;
        steps_[next] = std::move(merged);
      }
    }
  }

  FusedStep absorb(int step, int next) {
    FusedStep merged = std::move(steps_[step]);
    absorbed_[step] = true;
    merged.fused.push_back(steps_[next].name);
    merged.output = steps_[next].output;
    return merged;
  }

  std::vector<int> uses_;
  std::vector<int> sole_user_;
  std::vector<FusedStep> steps_;
  std::vector<bool> absorbed_;
};

}  // namespace

std::vector<FusedStep> fuse_steps(const Graph& graph, bool fuse) {
  if (fuse) return Fusion(graph).run();
  std::vector<FusedStep> steps;
  for (const Node& node : graph.nodes()) {
    steps.push_back({node.name, node.op, node.inputs, node.output, node.parameters, {}});
  }
  return steps;
}

}  // namespace convoy
