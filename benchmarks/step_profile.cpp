#include "benchmarks/step_profile.h"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "ops/plan_schedule.h"

namespace convoy {
namespace {

struct Share {
  double forward = 0;   // seconds
  double backward = 0;  //
  double flop = 0;
  double bytes = 0;
};

std::string class_of(const PlanStep& step, const ScheduledStep& entry) {
  if (entry.reorder) return "reorder";
  if (const auto* conv = std::get_if<Conv>(&step.op)) {
    return fmt::format("conv {}x{}{}", conv->kernel.h, conv->kernel.w,
                       conv->groups > 1 ? " grouped" : "");
  }
  return std::string(kind_of(step.op));
}

// Passes over the arithmetic of the forward pass: itself, and one more for each gradient.
int passes(const Plan& plan, const ScheduledStep& entry) {
  if (plan.mode() == Mode::inference || !entry.has_backward) return 1;
  return entry.source_gradient ? 3 : 2;
}

double traffic(const Plan& plan, const PlanStep& step, const ScheduledStep& entry) {
  const bool norm = std::holds_alternative<BatchNorm>(step.op);
  const bool training = plan.mode() == Mode::training;
  double sources = 0, parameters = 0;
  for (const TensorDesc& src : step.spec.src) sources += static_cast<double>(src.bytes);
  for (const TensorDesc& p : step.spec.parameters) parameters += static_cast<double>(p.bytes);
  const auto first = static_cast<double>(step.spec.src[0].bytes);
  const auto dst = static_cast<double>(step.spec.dst.bytes);
  double bytes = sources + dst + parameters + (norm && training ? first : 0);
  if (!training || !entry.has_backward) return bytes;
  if (norm) return bytes + 2 * (first + dst) + sources;
  if (step.parameters.empty()) {
    return bytes + dst + sources + (step.spec.backward_reads_dst ? dst : 0);
  }
  bytes += sources + dst + parameters;  // the weights' gradient
  return entry.source_gradient ? bytes + dst + parameters + sources : bytes;
}

}  // namespace

std::string profile_json(const Plan& plan, const StepSeconds& seconds, int calls) {
  std::map<std::string, Share> shares;
  for (std::size_t s = 0; s < plan.steps().size(); ++s) {
    const PlanStep& step = plan.steps()[s];
    const ScheduledStep& entry = plan.schedule().steps[s];
    std::vector<Shape> inputs;
    for (const TensorDesc& src : step.spec.src) inputs.push_back(src.shape);
    Share& share = shares[class_of(step, entry)];
    share.forward += seconds.forward[s];
    share.backward += seconds.backward[s];
    share.bytes += traffic(plan, step, entry);
    if (!entry.reorder) share.flop += 2 * multiply_adds(step.op, inputs) * passes(plan, entry);
  }
  std::string text;
  for (const auto& [kind, share] : shares) {
    text += fmt::format(
        R"({}{{"kind": "{}", "forward_ms": {:.4f}, "backward_ms": {:.4f}, "gflop": {:.4f}, "gigabytes": {:.5f}}})",
        text.empty() ? "" : ", ", kind, share.forward / calls * 1e3, share.backward / calls * 1e3,
        share.flop / 1e9, share.bytes / 1e9);
  }
  return "[" + text + "]";
}

}  // namespace convoy
