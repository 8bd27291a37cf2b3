#include "ops/recompute.h"

#include <algorithm>

namespace convoy {
namespace {

// The bytes that pass between the steps before `i` and step `i`; 0 where it is not one value alone.
std::vector<std::size_t> bytes_at_cuts(const std::vector<StepMemory>& steps) {
  const int count = static_cast<int>(steps.size());
  std::vector<int> last_use(steps.size());
  for (int step = 0; step < count; ++step) {
    last_use[step] = step;
    for (const int input : steps[step].inputs) {
      if (input >= 0) last_use[input] = step;
    }
  }
  std::vector<std::size_t> cuts(steps.size(), 0);
  for (int cut = 1; cut < count; ++cut) {
    int crossing = 0;
    for (int step = 0; step < cut; ++step) {
      if (last_use[step] < cut) continue;
      ++crossing;
      cuts[cut] = steps[step].bytes;
    }
    const bool images_cross =
        std::any_of(steps.begin() + cut, steps.end(), [](const StepMemory& step) {
          return std::find(step.inputs.begin(), step.inputs.end(), -1) != step.inputs.end();
        });
    if (crossing != 1 || images_cross) cuts[cut] = 0;
  }
  return cuts;
}

struct Cutting {
  std::vector<Segment> segments;
  std::size_t kept = 0;     // bytes at the cuts
  std::size_t largest = 0;  // bytes of the largest segment
};

Cutting cut_every(std::size_t bytes, const std::vector<StepMemory>& steps,
                  const std::vector<std::size_t>& cuts) {
  Cutting cutting;
  Segment segment;
  std::size_t filled = 0;
  const int count = static_cast<int>(steps.size());
  for (int step = 0; step < count; ++step) {
    if (step > 0 && cuts[step] > 0 && filled >= bytes) {
      segment.end = step;
      cutting.segments.push_back(segment);
      cutting.kept += cuts[step];
      segment = {.first = step};
      filled = 0;
    }
    filled += steps[step].bytes;
    cutting.largest = std::max(cutting.largest, filled);
  }
  return cutting;
}

}  // namespace

std::vector<Segment> recompute_segments(const std::vector<StepMemory>& steps) {
  const std::vector<std::size_t> cuts = bytes_at_cuts(steps);
  std::size_t total = 0;
  for (const StepMemory& step : steps) total += step.bytes;
  Cutting best{.largest = total};
  for (std::size_t pieces = 2; pieces <= steps.size(); ++pieces) {
    Cutting cutting = cut_every(total / pieces, steps, cuts);
    if (cutting.kept + cutting.largest < best.kept + best.largest) best = std::move(cutting);
  }
  return best.segments;
}

}  // namespace convoy
