#include "trainer/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace convoy {

RunLength RunLength::of(const Config& config, std::uint64_t samples) {
  RunLength length{samples, static_cast<std::uint64_t>(config.batch.global),
                   static_cast<std::uint64_t>(config.steps)};
  if (length.steps == 0) {
    const std::uint64_t total = samples * static_cast<std::uint64_t>(config.epochs);
    length.steps = (total + length.global_batch - 1) / length.global_batch;
  }
  return length;
}

double rate_factor(const ScheduleConfig& schedule, const RunLength& length, std::uint64_t step) {
  const double steps_per_epoch = 1.0 / length.epochs(1);
  const double warmup = std::round(schedule.warmup_epochs * steps_per_epoch);
  const auto now = static_cast<double>(step);
  if (now < warmup) return (now + 1) / warmup;

  switch (schedule.name) {
    case ScheduleKind::constant:
      return 1;
    case ScheduleKind::step: {
      const auto passed = std::ranges::count_if(schedule.epochs, [&](double epoch) {
        return now >= std::round(epoch * steps_per_epoch);
      });
      return std::pow(schedule.factor, static_cast<double>(passed));
    }
    case ScheduleKind::cosine: {
      const double last = std::max(static_cast<double>(length.steps), warmup + 1);
      const double done = std::min(1.0, (now - warmup) / (last - warmup));
      const double wave = 0.5 * (1 + std::cos(std::numbers::pi * done));
      return schedule.final_fraction + (1 - schedule.final_fraction) * wave;
    }
  }
  return 1;
}

}  // namespace convoy
