// The optimizers over a whole arena: which parameters are treated how, gradients that are clipped
// or not finite, and the same bits on other numbers of threads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/support/ranks.h"
#include "tests/trainer/two_layers.h"
#include "trainer/optimizer.h"

namespace convoy {
namespace {

using namespace test;
using enum OptimizerKind;

TEST(Optimizer, DecaysWeightsAloneUnlessAskedAndBlendsStatistics) {
  WorkerPool pool(1, 1);
  for (const bool decay_norms : {false, true}) {
    const OptimizerConfig config{.weight_decay = 0.5, .decay_norms = decay_norms};
    Optimizer optimizer(config, two_layers(), arena_floats, 4, {.decay = 0.75});
    std::vector<float> weights(arena_floats, 1.0f), average = weights;
    std::vector<float> gradient(arena_floats, 0.0f);
    for (std::size_t i = 0; i < 16; ++i) gradient[i] = 99;  // scalars
    for (std::size_t i = 16; i < 36; ++i) gradient[i] = 8;  // four lanes measured a mean of 2
    ASSERT_TRUE(optimizer.step(
        pool, {.lr = 0.5, .weights = weights, .gradient = gradient, .average = average}));
    EXPECT_EQ(weights[0], 1.0f);
    EXPECT_EQ(weights[16], 1.25f);
    EXPECT_EQ(weights[36], 1.0f);
    EXPECT_EQ(weights[48], 0.75f);
    EXPECT_EQ(weights[40047], 0.75f);
    EXPECT_EQ(weights[40064], decay_norms ? 0.75f : 1.0f);
    for (std::size_t i = 0; i < arena_floats; ++i) {
      ASSERT_EQ(average[i], 1 + 0.25f * (weights[i] - 1)) << i;  // statistics, too
    }
  }
}

TEST(Optimizer, GroupsSetRatesAndDecayAndTheFirstCounts) {
  const OptimizerConfig config{.weight_decay = 0.5,
                               .groups = {{.match = "fc.weight", .lr_scale = 2},
                                          {.match = "fc.*", .lr_scale = 0},
                                          {.match = "*.weight", .weight_decay = 0}}};
  Optimizer optimizer(config, two_layers(), arena_floats, 1);
  WorkerPool pool(1, 1);
  std::vector<float> weights(arena_floats, 1.0f);
  const std::vector<float> gradient(arena_floats, 0.25f);
  ASSERT_TRUE(optimizer.step(pool, {.lr = 0.5, .weights = weights, .gradient = gradient}));
  EXPECT_EQ(weights[48], 0.875f);     // conv.weight: 1 - 0.5 * 0.25
  EXPECT_EQ(weights[40096], 0.25f);   // fc.weight: 1 - 1 * (0.25 + 0.5)
  EXPECT_EQ(weights[41104], 1.0f);    // fc.bias
  EXPECT_EQ(weights[40064], 0.875f);  // bn.weight
}

TEST(Optimizer, RefusesAGroupWithoutParameters) {
  const auto refusal = [](std::vector<ParameterGroup> groups) {
    return test::error_of(ExitCode::config, [&] {
      Optimizer({.groups = std::move(groups)}, two_layers(), arena_floats, 1);
    });
  };
  EXPECT_EQ(refusal({{.match = "fd.*"}}),
            "optimizer.groups: 'fd.*' matches no parameter that this run trains and that earlier "
            "groups leave to it");
  test::expect_holds(refusal({{.match = "*"}, {.match = "fc.*"}}), {"'fc.*'"});
  test::expect_holds(refusal({{.match = "*.running_mean"}}), {"'*.running_mean'"});
}

TEST(Optimizer, SaysWhenAWeightOrStatisticIsNotFinite) {
  WorkerPool pool(2, 1);
  for (const OptimizerKind kind : {sgd, lars, adam, adamw, lamb}) {
    for (const std::size_t place : {std::size_t{20}, std::size_t{40047}, std::size_t{41108}}) {
      for (const float bad : {0.0f, INFINITY, -INFINITY, NAN}) {
        Optimizer optimizer({.name = kind}, two_layers(), arena_floats, 1);
        std::vector<float> weights = noise(0, arena_floats), gradient = noise(1, arena_floats);
        gradient[place] = bad;
        EXPECT_EQ(optimizer.step(pool, {.lr = 0.1, .weights = weights, .gradient = gradient}),
                  bad == 0.0f)
            << place;
      }
    }
  }
}

TEST(Clipping, CutsLongGradientsToTheNormAndKeepsShortOnes) {
  WorkerPool pool(1, 1);
  for (const double length : {0.5, 100.0}) {
    Optimizer optimizer({.momentum = 0, .clip_norm = 2}, two_layers(), arena_floats, 1);
    std::vector<float> weights(arena_floats),
        gradient(arena_floats, 1e30f);  // statistics: not in it
    for (const PlacedParameter& p : two_layers()) {
      if (is_statistic(p.role)) continue;
      std::fill_n(gradient.begin() + p.offset, p.floats, 0.0f);
    }
    gradient[48] = static_cast<float>(0.6 * length);
    gradient[41108] = static_cast<float>(-0.8 * length);
    ASSERT_TRUE(optimizer.step(pool, {.lr = 1, .weights = weights, .gradient = gradient}));
    EXPECT_NEAR(weights[48], -0.6 * std::min(length, 2.0), 1e-6);
    EXPECT_NEAR(weights[41108], 0.8 * std::min(length, 2.0), 1e-6);
  }
}

TEST(Clipping, ChangesNothingWhereTheNormIsNotFinite) {
  WorkerPool pool(2, 1);
  for (const float bad : {INFINITY, NAN}) {
    Optimizer optimizer({.clip_norm = 1}, two_layers(), arena_floats, 1);
    std::vector<float> weights = noise(0, arena_floats), average = weights;
    const std::vector<float> before = weights;
    std::vector<float> gradient = noise(1, arena_floats);
    gradient[41000] = bad;
    EXPECT_FALSE(optimizer.step(
        pool, {.lr = 1, .weights = weights, .gradient = gradient, .average = average}));
    EXPECT_EQ(weights, before);
    EXPECT_EQ(average, before);
  }
}

class Bits : public testing::TestWithParam<OptimizerKind> {};

TEST_P(Bits, AreTheSameForAnyNumberOfThreads) {
  const OptimizerConfig config{.name = GetParam(), .weight_decay = 1e-2, .clip_norm = 20};
  std::vector<std::vector<float>> expected;
  for (const int workers : {1, 2, 3, 7}) {
    Optimizer optimizer(config, two_layers(), arena_floats, 4, {.decay = 0.9});
    WorkerPool pool(workers, 1);
    std::vector<float> weights = noise(0, arena_floats), average = weights;
    for (std::uint64_t step = 0; step < 3; ++step) {
      const std::vector<float> gradient = noise(step + 1, arena_floats);
      ASSERT_TRUE(optimizer.step(pool, {.number = step,
                                        .lr = 0.1,
                                        .weights = weights,
                                        .gradient = gradient,
                                        .average = average}));
    }
    std::vector<std::vector<float>> found = {weights, average};
    for (const auto& [prefix, values] : optimizer.states()) {
      found.emplace_back(values.begin(), values.end());
    }
    if (expected.empty()) expected = found;
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(std::memcmp(found[i].data(), expected[i].data(), arena_floats * sizeof(float)), 0)
          << workers << " workers, arena " << i;
    }
  }
}

// Scaled by a power of two, so that no rounding differs; statistics are not.
TEST_P(Bits, AScaledGradientIsTheScaledGradient) {
  for (const double clip_norm : {0.0, 20.0}) {
    const OptimizerConfig config{.name = GetParam(), .weight_decay = 1e-2, .clip_norm = clip_norm};
    std::vector<std::vector<float>> found;
    for (const double scale : {1.0, 4.0}) {
      Optimizer optimizer(config, two_layers(), arena_floats, 4);
      WorkerPool pool(2, 1);
      std::vector<float> weights = noise(0, arena_floats);
      for (std::uint64_t step = 0; step < 2; ++step) {
        std::vector<float> gradient = noise(step + 1, arena_floats);
        for (const PlacedParameter& p : two_layers()) {
          if (is_statistic(p.role)) continue;
          for (std::size_t i = p.offset; i < p.offset + p.floats; ++i) {
            gradient[i] *= static_cast<float>(4 / scale);
          }
        }
        ASSERT_TRUE(optimizer.step(pool, {.number = step,
                                          .lr = 0.1,
                                          .weights = weights,
                                          .gradient = gradient,
                                          .gradient_scale = scale}));
      }
      found.push_back(weights);
    }
    EXPECT_EQ(found[0], found[1]) << "clip_norm " << clip_norm;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Bits, testing::Values(sgd, lars, adam, adamw, lamb),
                         [](const auto& kind) { return to_text(kind.param); });

}  // namespace
}  // namespace convoy
