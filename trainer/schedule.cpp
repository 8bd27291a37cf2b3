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

namespace {

// From `start` at done = 0 to `end` at done = 1.
double between(double start, double end, double done, Anneal anneal) {
  if (anneal == Anneal::linear) return start + (end - start) * done;
  return end + (start - end) * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

double one_cycle(const ScheduleConfig& schedule, double steps, double now) {
  const double first = 1 / schedule.div_factor;
  const double last = first / schedule.final_div_factor;
  const double top = schedule.pct_start * steps - 1;
  if (top > 0 && now <= top) return between(first, 1, now / top, schedule.anneal);
  const double done = std::min(1.0, (now - top) / (steps - 1 - top));
  return between(1, last, done, schedule.anneal);
}

// How often the rate has fallen by step `now`, which reaches epoch e at round(e * steps_per_epoch).
double falls(const ScheduleConfig& schedule, double steps_per_epoch, double now) {
  if (schedule.every_epochs > 0) {
    return std::ceil((now + 0.5) / (schedule.every_epochs * steps_per_epoch)) - 1;
  }
  return static_cast<double>(std::ranges::count_if(
      schedule.epochs, [&](double epoch) { return now >= std::round(epoch * steps_per_epoch); }));
}

}  // namespace

double rate_factor(const ScheduleConfig& schedule, const RunLength& length, std::uint64_t step) {
  const double steps_per_epoch = 1.0 / length.epochs(1);
  const double warmup = std::round(schedule.warmup_epochs * steps_per_epoch);
  const auto now = static_cast<double>(step);
  if (now < warmup) return (now + 1) / warmup;

  const auto steps = static_cast<double>(length.steps);
  // Of the way from the end of the warm-up to the end of the run.
  const double done = std::min(1.0, (now - warmup) / (std::max(steps, warmup + 1) - warmup));
  switch (schedule.name) {
    case ScheduleKind::constant:
      return 1;
    case ScheduleKind::step:
      return std::pow(schedule.factor, falls(schedule, steps_per_epoch, now));
    case ScheduleKind::cosine:
      return between(1, schedule.final_fraction, done, Anneal::cosine);
    case ScheduleKind::polynomial:
      return schedule.final_fraction +
             (1 - schedule.final_fraction) * std::pow(1 - done, schedule.power);
    case ScheduleKind::one_cycle:
      return one_cycle(schedule, steps, now);
  }
  return 1;
}

}  // namespace convoy
