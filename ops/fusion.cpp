#include "ops/fusion.h"

#include <algorithm>

namespace convoy {
namespace {

// The nodes as steps, unfused.
std::vector<FusedStep> single_steps(const Graph& graph, const StepsWanted& wanted) {
  const auto is_frozen = [&](int parameter) {
    return !wanted.frozen.empty() && wanted.frozen[parameter];
  };
  std::vector<bool> has_gradient(graph.values(), false);
  std::vector<FusedStep> steps;
  for (const Node& node : graph.nodes()) {
    steps.push_back(
        {node.name, node.op, wanted.mode, node.inputs, node.output, node.parameters, {}});
    if (wanted.mode == Mode::inference) continue;
    FusedStep& step = steps.back();
    const bool frozen = std::ranges::all_of(node.parameters, is_frozen);
    has_gradient[node.output.id] =
        !frozen || std::ranges::any_of(node.inputs, [&](Value v) { return has_gradient[v.id]; });
    if (auto* norm = std::get_if<BatchNorm>(&step.op); norm && frozen) {
      norm->fixed_statistics = true;
    }
    const bool in_training_alone = is_loss(node.op) || std::holds_alternative<Dropout>(node.op);
    if (!has_gradient[node.output.id] && !in_training_alone) step.mode = Mode::inference;
  }
  return steps;
}

class Fusion {
 public:
  Fusion(const Graph& graph, std::vector<FusedStep> steps, std::optional<Value> output)
      : uses_(graph.values(), 0),
        sole_user_(graph.values(), -1),
        steps_(std::move(steps)),
        absorbed_(steps_.size(), false) {
    for (std::size_t step = 0; step < steps_.size(); ++step) {
      for (const Value value : steps_[step].inputs) {
        ++uses_[value.id];
        sole_user_[value.id] = static_cast<int>(step);
      }
    }
    if (output) ++uses_[output->id];
  }

  std::vector<FusedStep> run() {
    for (int step = 0; step < static_cast<int>(steps_.size()); ++step) {
      if (!absorbed_[step] && may_extend(steps_[step].op)) extend(step);
    }
    std::vector<FusedStep> kept;
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (!absorbed_[i]) kept.push_back(std::move(steps_[i]));
    }
    return kept;
  }

 private:
  static bool may_extend(const Op& op) {
    return std::holds_alternative<BatchNorm>(op) || std::holds_alternative<Conv>(op) ||
           std::holds_alternative<Linear>(op);
  }
  // The one step that reads this step's output, if it runs in the same mode; or -1.
  int sole_user(int step) const {
    const int value = steps_[step].output.id;
    const int user = uses_[value] == 1 ? sole_user_[value] : -1;
    return user >= 0 && steps_[user].mode == steps_[step].mode ? user : -1;
  }

  // Moves the op at `step` down over what follows it.
  void extend(int step) {
    const bool inference = steps_[step].mode == Mode::inference;
    if (auto* conv = std::get_if<Conv>(&steps_[step].op); conv && inference) {
      if (const auto* norm = next_is<BatchNorm>(step)) {
        conv->norm = *norm;
        step = absorb_next(step);
      }
    }
    if (auto* norm = std::get_if<BatchNorm>(&steps_[step].op)) {
      step = extend_over_add(step, norm->add);
    } else if (auto* conv = std::get_if<Conv>(&steps_[step].op); conv && inference) {
      step = extend_over_add(step, conv->add);
    }
    if (const auto* activation = next_is<Activation>(step)) extend_over(step, *activation);
  }

  void extend_over(int step, const Activation& activation) {
    const bool capped = activation.kind == ActivationKind::relu6;
    if (activation.kind != ActivationKind::relu && !capped) return;
    const auto take = [&](auto& op) {
      op.relu = true;
      if constexpr (requires { op.relu_cap; }) {
        if (capped) op.relu_cap = 6;
      }
    };
    Op& op = steps_[step].op;
    if (auto* norm = std::get_if<BatchNorm>(&op)) {
      take(*norm);
    } else if (auto* conv = std::get_if<Conv>(&op);
               conv && !(capped && steps_[step].mode == Mode::training)) {
      take(*conv);
    } else if (auto* linear = std::get_if<Linear>(&op); linear && !capped) {
      take(*linear);
    } else {
      return;
    }
    absorb_next(step);
  }

  // `adds`: the op's flag for it.
  int extend_over_add(int step, bool& adds) {
    if (!next_is<Add>(step)) return step;
    const std::vector<Value>& terms = steps_[sole_user(step)].inputs;
    const Value other = terms[0] == steps_[step].output ? terms[1] : terms[0];
    adds = true;
    steps_[step].inputs.push_back(other);
    return absorb_next(step);
  }

  // The op of the one step that reads this step's output, if it is such a one.
  template <class T>
  const T* next_is(int step) const {
    const int next = sole_user(step);
    return next < 0 ? nullptr : std::get_if<T>(&steps_[next].op);
  }

  // Moves the step into the place of its sole user, and returns that.
  int absorb_next(int step) {
    const int next = sole_user(step);
    FusedStep merged = std::move(steps_[step]);
    absorbed_[step] = true;
    merged.fused.push_back(steps_[next].name);
    merged.output = steps_[next].output;
    merged.parameters.insert(merged.parameters.end(), steps_[next].parameters.begin(),
                             steps_[next].parameters.end());
    steps_[next] = std::move(merged);
    return next;
  }

  std::vector<int> uses_;
  std::vector<int> sole_user_;
  std::vector<FusedStep> steps_;
  std::vector<bool> absorbed_;
};

}  // namespace

std::vector<FusedStep> fuse_steps(const Graph& graph, const StepsWanted& wanted) {
  std::vector<FusedStep> steps = single_steps(graph, wanted);
  return wanted.fuse ? Fusion(graph, std::move(steps), wanted.output).run() : steps;
}

}  // namespace convoy
