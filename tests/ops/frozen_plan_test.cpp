// Plans that leave some layers alone: what is in front of all that is trained runs as at inference,
// backward ends behind it, and passes through what is frozen further on.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ops/core/check.h"
#include "ops/fusion.h"
#include "ops/plan_schedule.h"
#include "tests/ops/small_net.h"

namespace convoy {
namespace {

using namespace test;

std::vector<bool> frozen(const std::set<std::string>& layers, const Graph& graph = small_net()) {
  std::vector<bool> flags;
  for (const Parameter& parameter : graph.parameters()) {
    flags.push_back(layers.contains(graph.nodes()[parameter.node].name));
  }
  return flags;
}

const std::set<std::string> first_block = {"conv1", "bn1", "conv2", "bn2"};
// What it makes no gradients for, fused or not.
const std::set<std::string> in_first_block = {"conv1", "bn1", "relu1", "conv2",
                                              "bn2",   "add", "relu2", "pool"};

struct Variant {
  std::string backend;
  bool fuse;
};

class FrozenPlan : public testing::TestWithParam<Variant> {
 protected:
  static Trial trial(const std::set<std::string>& layers, bool recompute = false) {
    return Trial(GetParam().backend,
                 {.fuse = GetParam().fuse, .recompute = recompute, .frozen = frozen(layers)});
  }
};

TEST_P(FrozenPlan, ComputesWhatTheUnfusedReferenceDoes) {
  for (const auto& layers : {first_block, {"conv1"}, {"bn1", "bn2"}, {"bn3"}, {"conv2", "bn1"}}) {
    Trial reference("reference", {.fuse = false, .frozen = frozen(layers)});
    expect_equal(trial(layers).step(), reference.step());
  }
}

// Without batch-norm among them, freezing changes no value in either pass.
TEST_P(FrozenPlan, PassesGradientsThroughFrozenLayers) {
  const StepResult expected = Trial(GetParam().backend, {.fuse = GetParam().fuse}).step();
  expect_equal(trial({"conv2", "conv4", "conv6", "fc7"}).step(), expected);
  expect_equal(trial({"fc"}).step(), expected);
}

TEST_P(FrozenPlan, KeepsWhatIsFrozenOutOfTheGradients) {
  Trial part = trial(first_block);
  const Plan& plan = part.plan();
  EXPECT_EQ(part.step().ready, plan.ready_offsets());
  EXPECT_EQ(plan.ready_offsets().back(), plan.gradient_floats());
  EXPECT_LT(plan.gradient_floats(), plan.parameter_floats());
  for (const PlacedParameter& parameter : plan.parameters()) {
    EXPECT_EQ(parameter.offset >= plan.gradient_floats(), parameter.frozen) << parameter.name;
  }
}

TEST_P(FrozenPlan, EndsBackwardBehindWhatIsFrozen) {
  Trial part = trial(first_block);
  Trial whole(GetParam().backend, {.fuse = GetParam().fuse});
  EXPECT_LT(part.plan().activation_bytes(), whole.plan().activation_bytes());
  for (std::size_t i = 0; i < part.plan().steps().size(); ++i) {
    const PlanStep& step = part.plan().steps()[i];
    const bool in_front = in_first_block.contains(step.name);
    if (part.plan().schedule().steps[i].reorder) continue;
    EXPECT_EQ(part.plan().schedule().steps[i].has_backward, !in_front) << step.name;
    EXPECT_EQ(step.mode, in_front ? Mode::inference : Mode::training) << step.name;
  }
}

// Only a weight gradient reads what a convolution was given.
TEST_P(FrozenPlan, ForgetsWhatFrozenConvolutionsWereGiven) {
  Graph graph({rows, 3, 9, 9});
  Value x = graph.input();
  std::set<std::string> convolutions;
  for (const int i : {0, 1, 2, 3, 4, 5}) {
    const std::string name = "conv" + std::to_string(i);
    x = conv2d(graph, name, x, {.out_channels = 16, .pad = 1});
    if (i > 0) convolutions.insert(name);
  }
  softmax_loss(graph, "loss",
               linear(graph, "fc", flatten(graph, "flatten", x), {.out_features = classes}));
  const PlanOptions options{.fuse = GetParam().fuse};
  const PlanOptions frozen_options{.fuse = options.fuse, .frozen = frozen(convolutions, graph)};
  const auto backend = make_backend(GetParam().backend);
  const std::size_t map = rows * 16 * 9 * 9 * sizeof(float);
  EXPECT_LE(Plan(graph, *backend, frozen_options).activation_bytes() + 4 * map,
            Plan(graph, *backend, options).activation_bytes());
  expect_equal(Trial(GetParam().backend, frozen_options, graph).step(),
               Trial("reference", {.fuse = false, .frozen = frozen_options.frozen}, graph).step());
}

TEST_P(FrozenPlan, RecomputingChangesNothing) {
  const StepResult expected = trial({"conv1", "bn1"}).step();
  Trial recomputing = trial({"conv1", "bn1"}, true);
  EXPECT_NE(recomputing.plan().describe().find(", twice"), std::string::npos);
  const StepResult found = recomputing.step();
  EXPECT_EQ(found.losses, expected.losses);
  EXPECT_EQ(found.gradients, expected.gradients);
}

// The frozen sum comes last of those that read its term, but for a backward pass.
TEST_P(FrozenPlan, KeepsWhatATrainedBranchReadsAgain) {
  Graph graph({rows, 3, 9, 9});
  const Value x = conv2d(graph, "stem", graph.input(), {.out_channels = 16, .pad = 1});
  const Value trained = conv2d(graph, "trained", x, {.out_channels = 16, .pad = 1});
  Value still = conv2d(graph, "still1", x, {.out_channels = 16, .pad = 1});
  still = conv2d(graph, "still2", still, {.out_channels = 16, .pad = 1});
  const Value sum = add(graph, "sum", still, x);
  const Value both = flatten(graph, "flatten", add(graph, "both", trained, sum));
  softmax_loss(graph, "loss", linear(graph, "fc", both, {.out_features = classes}));
  const std::vector<bool> flags = frozen({"stem", "still1", "still2"}, graph);
  Trial reference("reference", {.fuse = false, .frozen = flags}, graph);
  expect_equal(Trial(GetParam().backend, {.fuse = GetParam().fuse, .frozen = flags}, graph).step(),
               reference.step());
}

TEST_P(FrozenPlan, RepeatsItsBits) {
  Trial part = trial(first_block);
  const StepResult first = part.step();
  const StepResult second = part.step();
  EXPECT_EQ(first.losses, second.losses);
  EXPECT_EQ(first.gradients, second.gradients);
}

INSTANTIATE_TEST_SUITE_P(Plans, FrozenPlan,
                         testing::Values(Variant{"reference", true}, Variant{"onednn", false},
                                         Variant{"onednn", true}),
                         [](const auto& instance) {
                           return instance.param.backend +
                                  (instance.param.fuse ? "_fused" : "_unfused");
                         });

TEST(FrozenFusion, FoldsBatchNormsInFrontOfAllThatIsTrained) {
  const std::vector<FusedStep> steps = fuse_steps(small_net(), {.frozen = frozen(first_block)});
  ASSERT_GE(steps.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(steps[i].mode, Mode::inference);
    const Conv& conv = std::get<Conv>(steps[i].op);
    EXPECT_TRUE(conv.norm.has_value());
    EXPECT_TRUE(conv.relu);
    EXPECT_EQ(conv.add, i == 1);
  }
}

// A frozen batch-norm behind a trained convolution has a backward pass and fixed statistics; a
// frozen convolution is not folded into a trained one.
TEST(FrozenFusion, FixesTheStatisticsOfFrozenBatchNormsFurtherOn) {
  const std::vector<FusedStep> steps =
      fuse_steps(small_net(), {.frozen = frozen({"bn1", "conv2"})});
  for (const FusedStep& step : steps) {
    if (const auto* norm = std::get_if<BatchNorm>(&step.op)) {
      EXPECT_EQ(norm->fixed_statistics, step.name == "bn1") << step.name;
      EXPECT_EQ(step.mode, Mode::training);
    } else if (const auto* conv = std::get_if<Conv>(&step.op)) {
      EXPECT_FALSE(conv->norm.has_value());
    }
  }
}

TEST(FrozenFusion, AllFrozenIsAnError) {
  const auto backend = make_backend("reference");
  const Graph graph = small_net();
  const std::vector<bool> all(graph.parameters().size(), true);
  try {
    const Plan plan(graph, *backend, {.frozen = all});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::config);
    EXPECT_NE(std::string(error.what()).find("nothing to train"), std::string::npos);
  }
}

}  // namespace
}  // namespace convoy
