#include "trainer/optimizer.h"

#include <algorithm>

namespace convoy {

Optimizer::Optimizer(const OptimizerConfig& config, const std::vector<PlacedParameter>& parameters,
                     std::size_t floats, int lanes)
    : config_(config),
      lanes_(lanes),
      floats_(floats),
      velocity_(floats * sizeof(float), "momentum") {
  for (const PlacedParameter& parameter : parameters) {
    const bool statistic = is_statistic(parameter.role);
    const bool decayed = parameter.role == ParameterRole::weight || config.decay_norms;
    const float factor = statistic ? parameter.momentum
                         : decayed ? static_cast<float>(config.weight_decay)
                                   : 0.0f;
    segments_.push_back({parameter.offset, parameter.offset + parameter.floats, statistic, factor});
  }
  std::ranges::sort(segments_, {}, &Segment::begin);
}

void Optimizer::step(int part, int parts, float lr, std::span<float> weights,
                     std::span<const float> gradient) {
  // Parts begin at whole cache lines, so that no two threads write one.
  constexpr std::size_t line = arena_alignment / sizeof(float);
  const std::size_t lines = floats_ / line;
  const std::size_t first = lines * part / parts * line;
  const std::size_t last = part + 1 == parts ? floats_ : lines * (part + 1) / parts * line;

  SgdSettings settings{lr, static_cast<float>(config_.momentum), 0, config_.nesterov};
  for (const Segment& segment : segments_) {
    const std::size_t begin = std::max(segment.begin, first);
    const std::size_t end = std::min(segment.end, last);
    if (begin >= end) continue;
    const std::size_t count = end - begin;
    if (segment.statistic) {
      blend(segment.factor, lanes_, weights.subspan(begin, count), gradient.subspan(begin, count));
    } else {
      settings.weight_decay = segment.factor;
      sgd(settings, weights.subspan(begin, count), velocity().subspan(begin, count),
          gradient.subspan(begin, count));
    }
  }
}

}  // namespace convoy
