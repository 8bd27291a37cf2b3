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

TEST(Schedule, StepFallsEverySoOftenLikeAListOfEpochs) {
  // 7 steps per epoch and a third: the epochs reached are rounded to whole steps.
  constexpr RunLength uneven{1000, 136, 80};
  const ScheduleConfig often{.name = ScheduleKind::step, .every_epochs = 1.5, .factor = 0.5};
  const ScheduleConfig list{
      .name = ScheduleKind::step, .epochs = {1.5, 3, 4.5, 6, 7.5, 9, 10.5}, .factor = 0.5};
  for (int step = 0; step < 80; ++step) {
    EXPECT_EQ(rate_factor(often, uneven, step), rate_factor(list, uneven, step)) << step;
  }
  EXPECT_EQ(rate_factor(often, uneven, 79), std::pow(0.5, 7));
}

TEST(Schedule, PolynomialFallsFromTheWarmUpToTheEnd) {
  ScheduleConfig schedule{
      .name = ScheduleKind::polynomial, .warmup_epochs = 2, .final_fraction = 0.2};
  EXPECT_EQ(rate_factor(schedule, length, 20), 1.0);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 40), 0.8);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 100), 0.2);
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 500), 0.2);
  schedule.power = 2;
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 60), 0.4);
}

// Values of torch.optim.lr_scheduler.OneCycleLR with max_lr 1, step by step.
TEST(Schedule, OneCycleIsThatOfPyTorch) {
  const auto expect = [](const ScheduleConfig& schedule, const std::vector<double>& rates) {
    const RunLength run{1000, 100, rates.size()};
    for (std::size_t step = 0; step < rates.size(); ++step) {
      EXPECT_NEAR(rate_factor(schedule, run, step), rates[step], 1e-15) << "step " << step;
    }
    EXPECT_EQ(rate_factor(schedule, run, 1000), rate_factor(schedule, run, rates.size() - 1));
  };
  ScheduleConfig schedule{.name = ScheduleKind::one_cycle};
  expect(schedule, {0.040000000000000036, 0.1316718427000253,    0.37167184270002529,
                    0.66832815729997475,  0.90832815729997474,   1,
                    0.98746400623508734,  0.95048463201347366,   0.89091617757105002,
                    0.81174565394976306,  0.71694300179130077,   0.61126202193628931,
                    0.50000199999999995,  0.38874197806371075,   0.28306099820869923,
                    0.18825834605023697,  0.10908782242895004,   0.049519367986526286,
                    0.012539993764912554, 3.9999999999999998e-06});
  schedule = {
      .name = ScheduleKind::one_cycle, .pct_start = 0.5, .div_factor = 4, .final_div_factor = 8};
  expect(schedule, {0.25, 0.50911862710939471, 0.92838137289060529, 0.95203179539023419,
                    0.6234085773850897, 0.21362212722467597, 0.03125});
  schedule = {.name = ScheduleKind::one_cycle,
              .pct_start = 0.25,
              .div_factor = 10,
              .final_div_factor = 100,
              .anneal = Anneal::linear};
  expect(schedule, {0.1,    0.325,  0.55,   0.775,  1,     0.9334, 0.8668, 0.8002, 0.7336, 0.667,
                    0.6004, 0.5338, 0.4672, 0.4006, 0.334, 0.2674, 0.2008, 0.1342, 0.0676, 0.001});
}

TEST(Schedule, OneCycleSurvivesTheShortestRuns) {
  for (const double pct_start : {0.0, 0.3, 0.5, 1.0}) {
    const ScheduleConfig schedule{.name = ScheduleKind::one_cycle, .pct_start = pct_start};
    for (const std::uint64_t steps : {1, 2, 3}) {
      for (std::uint64_t step = 0; step < steps; ++step) {
        const double rate = rate_factor(schedule, {1000, 100, steps}, step);
        EXPECT_TRUE(rate > 0 && rate <= 1) << pct_start << " " << step << "/" << steps;
      }
    }
  }
}

TEST(Schedule, SurvivesRunsShorterThanTheWarmUp) {
  const ScheduleConfig schedule{.name = ScheduleKind::cosine, .warmup_epochs = 20};
  EXPECT_DOUBLE_EQ(rate_factor(schedule, length, 99), 0.5);
  EXPECT_EQ(rate_factor(schedule, length, 200), 1.0);
}

}  // namespace
}  // namespace convoy
