// Schedules: the learning rate as a pure function of the step.
#pragma once

#include <cstdint>

#include "trainer/config.h"

namespace convoy {

// How many steps, and how many of them make an epoch. Samples run as one endless stream: row r of
// the global batch of step s is sample s * global_batch + r of it, which is sample p % N of epoch
// p / N of N samples. A batch may straddle two epochs; nothing is dropped or repeated.
struct RunLength {
  std::uint64_t samples = 0;  // of the training split
  std::uint64_t global_batch = 1;
  std::uint64_t steps = 0;  // of the whole run

  // `epochs` passes, or `steps` where that is above 0. The last step completes the last epoch.
  static RunLength of(const Config& config, std::uint64_t samples);

  double epochs(double steps_done) const {
    return steps_done * static_cast<double>(global_batch) / static_cast<double>(samples);
  }
  // Epochs completed once `steps_done` steps are.
  std::uint64_t whole_epochs(std::uint64_t steps_done) const {
    return steps_done * global_batch / samples;
  }
};

// Of step `step` = 0, 1, ..., as a share of the peak rate.
//   warm-up     (step + 1) / W in the W steps of warmup_epochs; the rest comes after it
//   constant    1
//   step        factor ^ (how many of `epochs`, or multiples of every_epochs, the step has reached)
//   cosine      from 1 at the end of the warm-up down to final_fraction at the end of the run
//   polynomial  likewise, as (1 - share of the way)^power
//   one_cycle   from 1 / div_factor at step 0 up to 1 at step pct_start * steps - 1, and down to
//               1 / (div_factor * final_div_factor) at the last: Smith and Topin,
//               "Super-convergence" (2017), with the two phases of PyTorch's OneCycleLR
double rate_factor(const ScheduleConfig& schedule, const RunLength& length, std::uint64_t step);

}  // namespace convoy
