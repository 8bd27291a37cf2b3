// The optimizers against PyTorch's, against the formulas of their papers as plain loops, against
// closed forms, and against themselves on other numbers of threads.
#include "trainer/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "ops/core/random.h"
#include "tests/support/ranks.h"

namespace convoy {
namespace {

PlacedParameter placed(std::string name, ParameterRole role, std::size_t offset, int floats,
                       float momentum = 0) {
  return {
      std::move(name), role, plain_desc(Shape{floats}), offset, static_cast<std::size_t>(floats),
      momentum};
}

std::vector<float> noise(std::uint64_t index, std::size_t floats) {
  Random random(1, RandomUse::test, index);
  std::vector<float> values(floats);
  for (float& value : values) value = random.normal();
  return values;
}

// --- PyTorch -------------------------------------------------------------------------------------

// What golden/make_optimizers.py wrote, line by line under its name.
std::multimap<std::string, std::vector<float>> fixture() {
  std::multimap<std::string, std::vector<float>> lines;
  std::ifstream file(CONVOY_OPTIMIZERS_FILE);
  for (std::string text; std::getline(file, text);) {
    std::istringstream words(text);
    std::string name;
    words >> name;
    if (name != "initial" && name != "noise") {
      std::string step;
      words >> step;
      name += " " + step;
    }
    std::vector<float> values;
    for (double value = 0; words >> value;) values.push_back(static_cast<float>(value));
    lines.emplace(name, values);
  }
  return lines;
}

struct TorchCase {
  const char* name;
  OptimizerConfig config;
};

void PrintTo(const TorchCase& c, std::ostream* out) {
  *out << c.name;
}

class Torch : public testing::TestWithParam<TorchCase> {};

TEST_P(Torch, TwentySteps) {
  const auto lines = fixture();
  ASSERT_EQ(lines.count("noise"), 20u);
  std::vector<float> weights = lines.find("initial")->second;
  ASSERT_EQ(weights.size(), 12u);
  Optimizer optimizer(GetParam().config, {placed("w", ParameterRole::weight, 0, 12)}, 12, 1);
  WorkerPool pool(1, 1);
  auto line = lines.lower_bound("noise");
  for (std::uint64_t step = 0; step < 20; ++step, ++line) {
    std::vector<float> gradient = line->second;
    for (std::size_t i = 0; i < 12; ++i) gradient[i] += weights[i] / 2;
    ASSERT_TRUE(optimizer.step(
        pool,
        {.number = step, .lr = GetParam().config.lr, .weights = weights, .gradient = gradient}));
    const auto expected = lines.find(fmt::format("{} {}", GetParam().name, step + 1));
    if (expected == lines.end()) continue;
    for (std::size_t i = 0; i < 12; ++i) {
      EXPECT_NEAR(weights[i] / expected->second[i], 1, 1e-5) << "step " << step << " weight " << i;
    }
  }
  EXPECT_EQ(lines.count(fmt::format("{} 20", GetParam().name)), 1u);
}

using enum OptimizerKind;
INSTANTIATE_TEST_SUITE_P(
    Kinds, Torch,
    testing::Values(TorchCase{"sgd", {.lr = 0.1, .momentum = 0}},
                    TorchCase{"momentum", {.lr = 0.1, .weight_decay = 0.01}},
                    TorchCase{"nesterov", {.lr = 0.1, .nesterov = true, .weight_decay = 0.01}},
                    TorchCase{"clipped", {.lr = 0.1, .weight_decay = 0.01, .clip_norm = 2}},
                    TorchCase{"adam", {.name = adam, .lr = 0.01}},
                    TorchCase{"adam_decay",
                              {.name = adam,
                               .lr = 0.01,
                               .beta1 = 0.8,
                               .beta2 = 0.99,
                               .epsilon = 1e-3,
                               .weight_decay = 0.1}},
                    TorchCase{"adamw", {.name = adamw, .lr = 0.01, .weight_decay = 0.1}}),
    testing::PrintToStringParamName());

// --- The papers ----------------------------------------------------------------------------------

// Two layers of a weight and a bias, one of them longer than a block, and a batch norm.
std::vector<PlacedParameter> two_layers() {
  return {placed("bn.running_mean", ParameterRole::running_mean, 16, 20, 0.25f),
          placed("conv.weight", ParameterRole::weight, 48, 40000),
          placed("bn.weight", ParameterRole::scale, 40064, 20),
          placed("fc.weight", ParameterRole::weight, 40096, 1003),
          placed("fc.bias", ParameterRole::bias, 41104, 5)};
}
constexpr std::size_t arena_floats = 41120;

using Doubles = std::vector<double>;

double norm(const Doubles& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares);
}

// One parameter as a paper treats it, in double.
struct Layer {
  Doubles w, m, v;
  double decay = 0;
  bool adapted = false;
  double lr_scale = 1;
};

// You, Gitman, Ginsburg (2017), Algorithm 1.
void lars_step(Layer& layer, const Doubles& gradient, double lr) {
  constexpr double trust = 0.001, momentum = 0.9;
  double local = 1;
  if (layer.adapted) {
    local = trust * norm(layer.w) / (norm(gradient) + layer.decay * norm(layer.w));
  }
  for (std::size_t i = 0; i < layer.w.size(); ++i) {
    layer.v[i] = momentum * layer.v[i] +
                 lr * layer.lr_scale * local * (gradient[i] + layer.decay * layer.w[i]);
    layer.w[i] -= layer.v[i];
  }
}

// You et al. (2019), Algorithm 2, with phi(z) = z.
void lamb_step(Layer& layer, const Doubles& gradient, double lr, int t) {
  constexpr double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-6;
  Doubles direction(layer.w.size());
  for (std::size_t i = 0; i < layer.w.size(); ++i) {
    layer.m[i] = beta1 * layer.m[i] + (1 - beta1) * gradient[i];
    layer.v[i] = beta2 * layer.v[i] + (1 - beta2) * gradient[i] * gradient[i];
    const double m = layer.m[i] / (1 - std::pow(beta1, t));
    const double v = layer.v[i] / (1 - std::pow(beta2, t));
    direction[i] = m / (std::sqrt(v) + epsilon) + layer.decay * layer.w[i];
  }
  const double ratio = layer.adapted ? norm(layer.w) / norm(direction) : 1;
  for (std::size_t i = 0; i < layer.w.size(); ++i) {
    layer.w[i] -= lr * layer.lr_scale * ratio * direction[i];
  }
}

// What the gradients of all parameters together are to be multiplied by.
double clip_factor(double clip_norm, const std::vector<float>& gradient) {
  Doubles all;
  for (const PlacedParameter& p : two_layers()) {
    if (is_statistic(p.role)) continue;
    all.insert(all.end(), gradient.begin() + p.offset, gradient.begin() + p.offset + p.floats);
  }
  return clip_norm > 0 ? std::min(1.0, clip_norm / norm(all)) : 1;
}

// Five steps of `config` beside those of `paper`; fc.weight is a group with three times the rate
// and no decay.
template <class Paper>
void compare_with_paper(OptimizerConfig config, const Paper& paper) {
  config.groups = {{.match = "fc.w*", .lr_scale = 3, .weight_decay = 0},
                   {.match = "*.weight", .lr_scale = 1}};
  const std::vector<PlacedParameter> parameters = two_layers();
  std::vector<float> weights = noise(0, arena_floats);
  std::map<std::string, Layer> layers;
  for (const PlacedParameter& p : parameters) {
    if (is_statistic(p.role)) continue;
    const bool whole = p.role == ParameterRole::weight || config.decay_norms;
    Layer& layer = layers[p.name];
    layer.w.assign(weights.begin() + p.offset, weights.begin() + p.offset + p.floats);
    layer.m.resize(p.floats);
    layer.v.resize(p.floats);
    layer.adapted = whole;
    layer.decay = whole && p.name != "fc.weight" ? config.weight_decay : 0;
    layer.lr_scale = p.name == "fc.weight" ? 3 : 1;
  }
  Optimizer optimizer(config, parameters, arena_floats, 1);
  WorkerPool pool(2, 1);
  for (int t = 1; t <= 5; ++t) {
    const double lr = config.lr / t;
    const std::vector<float> gradient = noise(t, arena_floats);
    const double clip = clip_factor(config.clip_norm, gradient);
    ASSERT_TRUE(optimizer.step(
        pool, {.number = t - 1u, .lr = lr, .weights = weights, .gradient = gradient}));
    for (const PlacedParameter& p : parameters) {
      if (is_statistic(p.role)) continue;
      Layer& layer = layers[p.name];
      Doubles own(gradient.begin() + p.offset, gradient.begin() + p.offset + p.floats);
      for (double& value : own) value *= clip;
      const Doubles before = layer.w;
      paper(layer, own, lr, t);
      Doubles difference, move;
      for (std::size_t i = 0; i < p.floats; ++i) {
        difference.push_back(weights[p.offset + i] - layer.w[i]);
        move.push_back(layer.w[i] - before[i]);
      }
      EXPECT_LT(norm(difference) / norm(layer.w), 1e-6) << p.name << " step " << t;
      EXPECT_GT(norm(move) / norm(layer.w), 1e-4) << p.name << " step " << t;
    }
  }
}

TEST(Lars, FollowsItsPaper) {
  const auto paper = [](Layer& layer, const Doubles& g, double lr, int) {
    lars_step(layer, g, lr);
  };
  OptimizerConfig config{.name = lars, .lr = 2, .weight_decay = 0.05};
  compare_with_paper(config, paper);
  config.decay_norms = true;
  compare_with_paper(config, paper);
  config.clip_norm = 20;
  compare_with_paper(config, paper);
}

TEST(Lamb, FollowsItsPaper) {
  OptimizerConfig config{.name = lamb, .lr = 0.02, .epsilon = 1e-6, .weight_decay = 0.3};
  compare_with_paper(config, lamb_step);
  config.decay_norms = true;
  compare_with_paper(config, lamb_step);
  config.clip_norm = 20;
  compare_with_paper(config, lamb_step);
}

TEST(Adaptation, LeavesParametersWithoutANormAlone) {
  for (const OptimizerKind kind : {lars, lamb}) {
    for (const bool zero_weights : {false, true}) {
      const OptimizerConfig config{.name = kind, .weight_decay = 0};
      Optimizer optimizer(config, {placed("w", ParameterRole::weight, 0, 16)}, 16, 1);
      WorkerPool pool(1, 1);
      std::vector<float> weights(16, zero_weights ? 0.0f : 2.0f);
      const std::vector<float> gradient(16, zero_weights ? 1.0f : 0.0f);
      ASSERT_TRUE(optimizer.step(pool, {.lr = 0.5, .weights = weights, .gradient = gradient}));
      EXPECT_NEAR(weights[7], zero_weights ? -0.5f : 2.0f, 1e-6);
    }
  }
}

// --- By hand -------------------------------------------------------------------------------------

TEST(Sgd, TwoStepsByHand) {
  std::vector<float> w{1.0f, -2.0f};
  std::vector<float> v{0.0f, 0.0f};
  std::vector<float> e{1.0f, 0.0f};
  const std::vector<float> d{0.5f, 1.0f};
  const MomentumRule rule{.decay = 0.25f, .momentum = 0.5f, .outer = 0.5f, .average_share = 0.5f};
  update(rule, {w, v, {}, e, d});  // g = 0.75, 0.5; v = g; w -= v / 2
  EXPECT_EQ(v, (std::vector<float>{0.75f, 0.5f}));
  EXPECT_EQ(w, (std::vector<float>{0.625f, -2.25f}));
  EXPECT_EQ(e, (std::vector<float>{0.8125f, -1.125f}));
  update(rule, {w, v, {}, {}, d});  // g = 0.65625, 0.4375; v = g + v / 2
  EXPECT_EQ(v, (std::vector<float>{1.03125f, 0.6875f}));
  EXPECT_EQ(w, (std::vector<float>{0.109375f, -2.59375f}));
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
    update(MomentumRule{.momentum = momentum, .outer = lr}, {w, v, {}, {}, d});
    // w_k = a slow^k + b fast^k with w_0 = 1 and w_1 = 1 - lr.
    const double a = (1 - lr - fast) / (slow - fast);
    EXPECT_NEAR(w[0], a * std::pow(slow, k) + (1 - a) * std::pow(fast, k), 1e-6);
  }
}

TEST(Blend, AveragesLanesIntoTheRunningValue) {
  std::vector<float> running{1.0f, 0.0f};
  std::vector<float> average{0.5f, 0.5f};
  const std::vector<float> measured{8.0f, 4.0f};
  update(BlendRule{.momentum = 0.5f, .lanes = 4, .average_share = 0.5f},
         {running, {}, {}, average, measured});
  EXPECT_EQ(running, (std::vector<float>{1.5f, 0.5f}));
  EXPECT_EQ(average, (std::vector<float>{1.0f, 0.5f}));
}

TEST(SumOfSquares, IsExactForWholeNumbersOfAnyCount) {
  std::vector<float> values;
  double expected = 0;
  for (int n = 1; n < 40; ++n) {
    values.push_back(static_cast<float>(n % 2 == 0 ? n : -n));
    expected += n * n;
    EXPECT_EQ(sum_of_squares(values), expected);
  }
  EXPECT_EQ(sum_of_squares(std::vector<float>(9, 3e38f)), 9 * std::pow(double{3e38f}, 2));
}

// --- The arena -----------------------------------------------------------------------------------

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
