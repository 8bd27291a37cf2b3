// The optimizer against values worked out by hand, closed forms, and its own cuts into parts.
#include "trainer/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "ops/core/random.h"

namespace convoy {
namespace {

TEST(Sgd, TwoStepsByHand) {
  std::vector<float> w{1.0f, -2.0f};
  std::vector<float> v{0.0f, 0.0f};
  const std::vector<float> d{0.5f, 1.0f};
  const SgdSettings settings{.lr = 0.5f, .momentum = 0.5f, .weight_decay = 0.25f};
  sgd(settings, w, v, d);  // g = 0.75, 0.5; v = g; w -= v / 2
  EXPECT_EQ(v, (std::vector<float>{0.75f, 0.5f}));
  EXPECT_EQ(w, (std::vector<float>{0.625f, -2.25f}));
  sgd(settings, w, v, d);  // g = 0.65625, 0.4375; v = g + v / 2
  EXPECT_EQ(v, (std::vector<float>{1.03125f, 0.6875f}));
  EXPECT_EQ(w, (std::vector<float>{0.109375f, -2.59375f}));
}

TEST(Sgd, NesterovByHand) {
  std::vector<float> w{1.0f};
  std::vector<float> v{1.0f};
  const std::vector<float> d{0.5f};
  sgd({.lr = 0.5f, .momentum = 0.5f, .nesterov = true}, w, v, d);
  EXPECT_EQ(v[0], 1.0f);         // 0.5 * 1 + 0.5
  EXPECT_EQ(w[0], 1.0f - 0.5f);  // lr * (0.5 + 0.5 * 1)
}

// On f(w) = w^2 / 2 the step is linear: (w, v) <- A (w, v), whose powers have a closed form through
// the eigenvalues of A = [[1 - lr, -lr m], [1, m]].
TEST(Sgd, FollowsTheClosedFormOnAQuadratic) {
  constexpr double lr = 0.1, momentum = 0.2;
  const double half_trace = (1 - lr + momentum) / 2;
  const double root = std::sqrt(half_trace * half_trace - momentum);
  const double fast = half_trace - root, slow = half_trace + root;
  std::vector<float> w{1.0f}, v{0.0f};
  for (int k = 1; k <= 30; ++k) {
    const std::vector<float> d{w[0]};
    sgd({.lr = lr, .momentum = momentum}, w, v, d);
    // w_k = a slow^k + b fast^k with w_0 = 1 and w_1 = 1 - lr.
    const double a = (1 - lr - fast) / (slow - fast);
    EXPECT_NEAR(w[0], a * std::pow(slow, k) + (1 - a) * std::pow(fast, k), 1e-6);
  }
}

TEST(Blend, AveragesLanesIntoTheRunningValue) {
  std::vector<float> running{1.0f, 0.0f};
  blend(0.5f, 4, running, std::vector<float>{8.0f, 4.0f});
  EXPECT_EQ(running, (std::vector<float>{1.5f, 0.5f}));
}

std::vector<PlacedParameter> three_parameters() {
  const auto placed = [](std::string name, ParameterRole role, std::size_t offset, int n, float m) {
    return PlacedParameter{
        std::move(name), role, plain_desc(Shape{n}), offset, static_cast<std::size_t>(n), m};
  };
  return {placed("bn.running_mean", ParameterRole::running_mean, 16, 20, 0.25f),
          placed("conv.weight", ParameterRole::weight, 48, 1000, 0),
          placed("bn.weight", ParameterRole::scale, 1056, 20, 0)};
}
constexpr std::size_t arena_floats = 1088;

std::vector<float> noise(std::uint64_t index) {
  Random random(1, RandomUse::test, index);
  std::vector<float> values(arena_floats);
  for (float& value : values) value = random.normal();
  return values;
}

TEST(Optimizer, GivesTheSameBitsForAnyNumberOfParts) {
  const OptimizerConfig config{.weight_decay = 1e-2};
  std::vector<float> expected;
  for (const int parts : {1, 2, 3, 7}) {
    Optimizer optimizer(config, three_parameters(), arena_floats, 4);
    std::vector<float> weights = noise(0);
    for (int step = 0; step < 3; ++step) {
      const std::vector<float> gradient = noise(step + 1);
      for (int part = 0; part < parts; ++part) {
        optimizer.step(part, parts, 0.1f, weights, gradient);
      }
    }
    if (expected.empty()) expected = weights;
    EXPECT_EQ(std::memcmp(weights.data(), expected.data(), arena_floats * sizeof(float)), 0);
  }
}

TEST(Optimizer, DecaysWeightsAloneUnlessAskedAndBlendsStatistics) {
  for (const bool decay_norms : {false, true}) {
    const OptimizerConfig config{.weight_decay = 0.5, .decay_norms = decay_norms};
    Optimizer optimizer(config, three_parameters(), arena_floats, 4);
    std::vector<float> weights(arena_floats, 1.0f);
    std::vector<float> gradient(arena_floats, 0.0f);
    for (std::size_t i = 0; i < 16; ++i) gradient[i] = 99;  // scalars
    for (std::size_t i = 16; i < 36; ++i) gradient[i] = 8;  // four lanes measured a mean of 2
    optimizer.step(0, 1, 0.5f, weights, gradient);
    EXPECT_EQ(weights[0], 1.0f);
    EXPECT_EQ(weights[16], 1.25f);
    EXPECT_EQ(weights[36], 1.0f);
    EXPECT_EQ(weights[48], 0.75f);
    EXPECT_EQ(weights[1047], 0.75f);
    EXPECT_EQ(weights[1056], decay_norms ? 0.75f : 1.0f);
  }
}

}  // namespace
}  // namespace convoy
