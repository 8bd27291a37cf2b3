// Schedules against their closed forms, and the arithmetic of epochs and steps.
#include "trainer/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace convoy {
namespace {

// 10 steps per epoch, 10 epochs.
constexpr RunLength length{1000, 100, 100};

TEST(RunLength, TheLastStepCompletesTheLastEpoch) {
  Config config;
  config.batch.global = 32;
  config.epochs = 3;
  const RunLength uneven = RunLength::of(config, 101);
  EXPECT_EQ(uneven.steps, 10u);  // 303 samples
  EXPECT_EQ(uneven.whole_epochs(3), 0u);
  EXPECT_EQ(uneven.whole_epochs(4), 1u);
  EXPECT_EQ(uneven.whole_epochs(9), 2u);
  EXPECT_EQ(uneven.whole_epochs(10), 3u);
  config.steps = 5;
  EXPECT_EQ(RunLength::of(config, 101).steps, 5u);
}

TEST(Schedule, WarmUpIsLinearAndReachesThePeak) {
  const ScheduleConfig schedule{.warmup_epochs = 2};
  for (int step = 0; step < 20; ++step) {
    EXPECT_DOUBLE_EQ(rate_factor(schedule, length, step), (step + 1) / 20.0);
  }
  EXPECT_EQ(rate_factor(schedule, length, 20), 1.0);
  EXPECT_EQ(rate_factor(schedule, length, 99), 1.0);
}

TEST(Schedule, StepFallsAtItsEpochs) {
  const ScheduleConfig schedule{
      .name = ScheduleKind::step, .warmup_epochs = 1, .epochs = {3, 7.5}, .factor = 0.1};
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 0), 0.1);
  EXPECT_EQ(rate_factor(schedule, length, 29), 1.0);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 30), 0.1);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 74), 0.1);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 75), 0.01);
}

TEST(Schedule, CosineFallsFromTheWarmUpToTheEnd) {
  const ScheduleConfig schedule{
      .name = ScheduleKind::cosine, .warmup_epochs = 2, .final_fraction = 0.2};
  EXPECT_EQ(rate_factor(schedule, length, 20), 1.0);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 60), 0.6);
  EXPECT_NEAR(rate_factor(schedule, length, 40), 0.2 + 0.8 * 0.5 * (1 + std::sqrt(0.5)), 1e-12);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 100), 0.2);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 500), 0.2);
}

TEST(Schedule, SurvivesRunsShorterThanTheWarmUp) {
  const ScheduleConfig schedule{.name = ScheduleKind::cosine, .warmup_epochs = 20};
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 99), 0.5);
  EXPECT_EQ(rate_factor(schedule, length, 200), 1.0);
}

}  // namespace
}  // namespace convoy
