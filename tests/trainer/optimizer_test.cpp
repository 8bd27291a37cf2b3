// The optimizers against PyTorch's, against the formulas of their papers as plain loops, and
// against closed forms.
#include "trainer/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/trainer/two_layers.h"

namespace convoy {
namespace {

using namespace test;

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

}  // namespace
}  // namespace convoy
