// Plans and executors: fusion, memory, layouts, adoption; each backend against the reference on a
// small net (small_net.h).
#include "ops/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ops/core/random.h"
#include "ops/executor.h"
#include "ops/fusion.h"
#include "ops/liveness.h"
#include "ops/plan_schedule.h"
#include "ops/recompute.h"
#include "tests/ops/small_net.h"
#include "tests/support/allocations.h"

namespace convoy {
namespace {

using namespace test;

struct Variant {
  std::string backend;
  bool fuse;
};

class EveryPlan : public testing::TestWithParam<Variant> {};

TEST_P(EveryPlan, ComputesWhatTheUnfusedReferenceDoes) {
  const StepResult expected = Trial("reference", {.fuse = false}).step();
  Trial trial(GetParam().backend, {.fuse = GetParam().fuse});
  const StepResult found = trial.step();
  EXPECT_LT(relative_error(found.losses, expected.losses), 1e-5);
  ASSERT_EQ(found.gradients.size(), expected.gradients.size());
  for (std::size_t i = 0; i < found.gradients.size(); ++i) {
    EXPECT_LT(relative_error(found.gradients[i], expected.gradients[i]), 2e-5)
        << trial.plan().parameters()[i].name;
  }
}

TEST_P(EveryPlan, ReportsGradientsInTheOrderOfTheArena) {
  Trial trial(GetParam().backend, {.fuse = GetParam().fuse});
  const StepResult result = trial.step();
  EXPECT_EQ(result.ready, trial.plan().ready_offsets());
  EXPECT_TRUE(std::ranges::is_sorted(result.ready));
  EXPECT_EQ(result.ready.back(), trial.plan().gradient_floats());
}

TEST_P(EveryPlan, RepeatsItsBits) {
  Trial trial(GetParam().backend, {.fuse = GetParam().fuse});
  const StepResult first = trial.step();
  const StepResult second = trial.step();
  EXPECT_EQ(first.losses, second.losses);
  EXPECT_EQ(first.gradients, second.gradients);
}

TEST_P(EveryPlan, RecomputingChangesNothingButMemory) {
  Trial keeping(GetParam().backend, {.fuse = GetParam().fuse});
  Trial recomputing(GetParam().backend, {.fuse = GetParam().fuse, .recompute = true});
  EXPECT_NE(recomputing.plan().describe().find(", twice"), std::string::npos);
  EXPECT_LT(recomputing.plan().activation_bytes(), keeping.plan().activation_bytes());
  for (int repetition = 0; repetition < 2; ++repetition) {
    const StepResult expected = keeping.step();
    const StepResult found = recomputing.step();
    EXPECT_EQ(found.losses, expected.losses);
    EXPECT_EQ(found.gradients, expected.gradients);
    EXPECT_EQ(found.ready, expected.ready);
  }
}

TEST_P(EveryPlan, InferenceReadsTheMastersOfTraining) {
  Trial trial(GetParam().backend, {.fuse = GetParam().fuse});
  const Plan adopting(trial.graph(), trial.backend(),
                      {.mode = Mode::inference, .fuse = GetParam().fuse, .adopt = &trial.plan()});
  PreparedWeights prepared(adopting, trial.parameters());
  prepared.refresh();
  Executor executor(adopting, trial.parameters(), prepared);
  executor.forward({.images = trial.images(), .labels = trial.labels()});

  Trial reference("reference", {.fuse = false});
  const Plan alone(reference.graph(), reference.backend(),
                   {.mode = Mode::inference, .fuse = false});
  Parameters plain(alone);
  for (int i = 0; i < static_cast<int>(alone.parameters().size()); ++i) {
    std::vector<float> logical(alone.parameters()[i].desc.shape.elements());
    reference.parameters().read(i, reference.parameters().arena(), logical);
    plain.write(i, plain.arena(), logical);
  }
  PreparedWeights nothing(alone, plain);
  Executor oracle(alone, plain, nothing);
  oracle.forward({.images = reference.images(), .labels = reference.labels()});

  const std::vector<float> found(executor.logits().begin(), executor.logits().end());
  const std::vector<float> expected(oracle.logits().begin(), oracle.logits().end());
  EXPECT_LT(relative_error(found, expected), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Plans, EveryPlan,
                         testing::Values(Variant{"reference", true}, Variant{"onednn", false},
                                         Variant{"onednn", true}),
                         [](const auto& instance) {
                           return instance.param.backend +
                                  (instance.param.fuse ? "_fused" : "_unfused");
                         });

// The library allocates a little inside each call of its own, so the reference shows what the
// executor does.
TEST(Executor, AllocatesNothingInAStep) {
  Trial trial("reference");
  trial.run();
  const std::int64_t before = allocations();
  for (int step = 0; step < 3; ++step) trial.run();
  EXPECT_EQ(allocations() - before, 0);
}

TEST(Fusion, TakesWhatFollowsABatchNorm) {
  const std::vector<FusedStep> steps = fuse_steps(small_net());
  std::vector<std::string> names;
  for (const FusedStep& step : steps) names.push_back(step.name);
  EXPECT_EQ(names, (std::vector<std::string>{
                       "conv1",   "bn1",   "conv2",  "bn2",     "pool",         "bn3",
                       "lrn",     "same",  "concat", "conv3",   "tanh",         "conv4",
                       "conv5",   "conv6", "add6",   "flatten", "auxiliary fc", "auxiliary",
                       "dropout", "fc7",   "fc",     "loss"}));
  const auto& first = std::get<BatchNorm>(steps[1].op);
  EXPECT_TRUE(first.relu && !first.add);
  const auto& second = std::get<BatchNorm>(steps[3].op);
  EXPECT_TRUE(second.relu && second.add);
  EXPECT_EQ(steps[3].inputs.size(), 2u);
  const auto& lone = std::get<BatchNorm>(steps[5].op);
  EXPECT_TRUE(!lone.relu && !lone.add);
  EXPECT_TRUE(std::get<Conv>(steps[11].op).relu);
  EXPECT_TRUE(std::get<Linear>(steps[19].op).relu);
}

TEST(Fusion, TakesMoreIntoAConvolutionForInference) {
  const std::vector<FusedStep> steps = fuse_steps(small_net(), {.mode = Mode::inference});
  std::vector<std::vector<std::string>> names;
  for (const FusedStep& step : steps) {
    names.push_back({step.name});
    names.back().insert(names.back().end(), step.fused.begin(), step.fused.end());
  }
  EXPECT_EQ(names, (std::vector<std::vector<std::string>>{{"conv1", "bn1", "relu1"},
                                                          {"conv2", "bn2", "add", "relu2"},
                                                          {"pool"},
                                                          {"bn3"},
                                                          {"lrn"},
                                                          {"same"},
                                                          {"concat"},
                                                          {"conv3"},
                                                          {"tanh"},
                                                          {"conv4", "relu4"},
                                                          {"conv5", "relu5"},
                                                          {"conv6", "add6"},
                                                          {"flatten"},
                                                          {"auxiliary fc"},
                                                          {"auxiliary"},
                                                          {"dropout"},
                                                          {"fc7", "relu7"},
                                                          {"fc"},
                                                          {"loss"}}));
  const auto& block = std::get<Conv>(steps[1].op);
  EXPECT_TRUE(block.norm && block.add && block.relu);
  EXPECT_EQ(steps[1].inputs.size(), 2u);
  EXPECT_EQ(steps[1].parameters.size(), 5u);
}

// A batch norm's ReLU, and that of a convolution by our own kernels, take it neither for 0 nor for
// a cap of 6. (The library's take it for 0: what then finds it is the optimizer.)
TEST(Plan, KeepsWhatIsNotANumber) {
  struct Case {
    bool norm;
    ActivationKind kind;
  };
  for (const std::string backend : {"reference", "onednn"}) {
    for (const auto [norm, kind] : {Case{false, ActivationKind::relu},
                                    {true, ActivationKind::relu},
                                    {true, ActivationKind::relu6}}) {
      Graph g({rows, 16, 16, 16});
      Value x = conv2d(g, "conv", g.input(), {.out_channels = 16, .pad = 1, .bias = !norm});
      if (norm) x = batch_norm(g, "bn", x);
      x = flatten(g, "flatten", activation(g, "relu", x, kind));
      softmax_loss(g, "loss", linear(g, "fc", x, {.out_features = classes}));
      Trial trial(backend, {}, std::move(g));
      trial.set_pixel(0, NAN);
      EXPECT_TRUE(std::isnan(trial.step().losses[0])) << backend << norm;
    }
  }
}

// Into the shortcut, where nobody reads it any more; not where the convolution itself reads it.
TEST(Plan, AConvolutionAddsInPlaceInInference) {
  const auto backend = make_backend("onednn");
  const Plan plan(small_net(), *backend, {.mode = Mode::inference});
  int added = 0;
  for (std::size_t s = 0; s < plan.steps().size(); ++s) {
    const auto* conv = std::get_if<Conv>(&plan.steps()[s].op);
    if (!conv || !conv->add || plan.schedule().steps[s].reorder) continue;
    const ScheduledStep& entry = plan.schedule().steps[s];
    EXPECT_EQ(entry.dst == entry.src[1], plan.steps()[s].name == "conv6") << plan.describe();
    ++added;
  }
  EXPECT_EQ(added, 2);
}

TEST(Fusion, TakesARelu6WithItsCap) {
  Graph g({2, 3, 4, 4});
  relu6(g, "relu", batch_norm(g, "bn", g.input()));
  const std::vector<FusedStep> steps = fuse_steps(g);
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_TRUE(std::get<BatchNorm>(steps[0].op).relu);
  EXPECT_EQ(std::get<BatchNorm>(steps[0].op).relu_cap, 6);
}

TEST(Fusion, LeavesAValueThatOthersReadToo) {
  Graph g({2, 4, 4, 4});
  const Value normal =
      batch_norm(g, "bn", conv2d(g, "conv", g.input(), {.out_channels = 4, .pad = 1}));
  Value x = add(g, "add", relu(g, "relu", normal), normal);
  softmax_loss(g, "loss", linear(g, "fc", flatten(g, "flatten", x), {.out_features = 3}));
  EXPECT_EQ(fuse_steps(g).size(), g.nodes().size());
}

TEST(Plan, AnOutputThatNothingUsesIsAnError) {
  Graph g({2, 4, 4, 4});
  conv2d(g, "lost", g.input(), {.out_channels = 4, .pad = 1});
  softmax_loss(g, "loss", linear(g, "fc", flatten(g, "flatten", g.input()), {.out_features = 3}));
  const auto backend = make_reference_backend();
  EXPECT_THROW(Plan(g, *backend), Error);
}

// A chain of ten equal steps: three kept values and segments of three or so beat ten kept values.
TEST(Recompute, CutsAChainIntoEqualSegments) {
  std::vector<StepMemory> steps;
  for (int i = 0; i < 10; ++i) steps.push_back({.bytes = 100, .inputs = {i - 1}});
  const std::vector<Segment> segments = recompute_segments(steps);
  ASSERT_FALSE(segments.empty());
  std::size_t kept = 0, largest = 0;
  int first = 0;
  for (const Segment& segment : segments) {
    EXPECT_EQ(segment.first, first);
    first = segment.end;
    kept += 100;
    largest = std::max(largest, std::size_t(segment.end - segment.first) * 100);
  }
  largest = std::max(largest, std::size_t(10 - first) * 100);
  EXPECT_LE(kept + largest, 600u);
}

TEST(Recompute, NeverCutsAcrossAShortcut) {
  // 0 -> 1 -> 2 -> 3 with a shortcut from 0 to 3; then 4 -> 5.
  const std::vector<StepMemory> steps = {{100, {-1}},   {100, {0}}, {100, {1}},
                                         {100, {2, 0}}, {100, {3}}, {100, {4}}};
  for (const Segment& segment : recompute_segments(steps)) {
    EXPECT_TRUE(segment.end != 2 && segment.end != 3) << segment.end;
  }
  EXPECT_FALSE(recompute_segments(steps).empty());
}

TEST(Liveness, ABlockIsFreeBetweenItsTwoUses) {
  std::vector<Storage> blocks = {{.bytes = 640, .use = {0, 1}, .second_use = {8, 9}},
                                 {.bytes = 320, .use = {2, 7}},
                                 {.bytes = 64, .use = {7, 8}}};
  EXPECT_EQ(place_storages(blocks), 704u);
  EXPECT_EQ(blocks[1].offset, 0u);
  EXPECT_EQ(blocks[2].offset, 640u);
}

TEST(Liveness, BlocksInUseTogetherNeverOverlap) {
  Random random(3, RandomUse::test, 0);
  std::vector<Storage> blocks(200);
  for (Storage& block : blocks) {
    block.bytes = 1 + random.below(5000);
    block.use.first = static_cast<int>(random.below(80));
    block.use.last = block.use.first + static_cast<int>(random.below(15));
    if (random.below(3) > 0) continue;
    block.second_use.first = block.use.last + 1 + static_cast<int>(random.below(20));
    block.second_use.last = block.second_use.first + static_cast<int>(random.below(3));
  }
  const std::size_t arena = place_storages(blocks);
  std::size_t total = 0;
  for (const Storage& a : blocks) {
    total += a.bytes;
    EXPECT_LE(a.offset + a.bytes, arena);
    EXPECT_EQ(a.offset % arena_alignment, 0u);
    for (const Storage& b : blocks) {
      if (&a == &b || !a.meets(b)) continue;
      EXPECT_TRUE(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset);
    }
  }
  EXPECT_LT(arena, total / 3);  // memory is used again
}

}  // namespace
}  // namespace convoy
