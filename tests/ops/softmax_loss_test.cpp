// Losses and softmax worked out by hand.
#include <cmath>

#include "tests/ops/hand_value.h"

namespace convoy::test {
namespace {

class SoftmaxLossValues : public HandValue {};

TEST_P(SoftmaxLossValues, RowsEmptyRowsAndLargeLogits) {
  const OpOutputs out = run(
      SoftmaxLoss{}, {{3, 2}},
      {.src = {{0, std::log(3.0f), 1000, 1000, 5, 7}}, .labels = {0, 1, -1}, .loss_scale = 0.5f});
  expect_near(out.dst, {std::log(4.0f), std::log(2.0f), 0});
  expect_near(out.diff_src[0], {-0.375f, 0.375f, 0.25f, -0.25f, 0, 0});
}

// Probabilities 1/4 and 3/4; with smoothing 1/5 the targets are 9/10 and 1/10.
TEST_P(SoftmaxLossValues, SmoothingAndWeight) {
  const OpOutputs out = run(SoftmaxLoss{.smoothing = 0.2f, .weight = 0.5f}, {{1, 2}},
                            {.src = {{0, std::log(3.0f)}}, .labels = {0}, .loss_scale = 2});
  expect_near(out.dst, {0.9f * std::log(4.0f) + 0.1f * std::log(4.0f / 3)});
  expect_near(out.diff_src[0], {-0.65f, 0.65f});
}

TEST_P(SoftmaxLossValues, SmoothingIsForTrainingOnly) {
  const OpOutputs out = run(SoftmaxLoss{.smoothing = 0.2f}, {{1, 2}},
                            {.src = {{0, std::log(3.0f)}}, .labels = {0}}, Mode::inference);
  expect_near(out.dst, {std::log(4.0f)});
}

TEST_P(SoftmaxLossValues, SoftLabelsTakeTheLabelsPlace) {
  const OpOutputs out = run(SoftmaxLoss{}, {{2, 2}},
                            {.src = {{0, std::log(3.0f), 5, 7}},
                             .labels = {0, -1},
                             .soft_labels = {0.5f, 0.5f, 1, 0},
                             .loss_scale = 1});
  expect_near(out.dst, {0.5f * std::log(4.0f) + 0.5f * std::log(4.0f / 3), 0});
  expect_near(out.diff_src[0], {-0.25f, 0.25f, 0, 0});
}

TEST_P(SoftmaxLossValues, SquaredError) {
  const OpOutputs out = run(SquaredError{.on = 1, .off = -1, .weight = 0.5f}, {{2, 3}},
                            {.src = {{3, -1, 1, 5, 6, 7}}, .labels = {0, -1}, .loss_scale = 2});
  expect_near(out.dst, {4, 0});
  expect_near(out.diff_src[0], {2, 0, 2, 0, 0, 0});
}

TEST_P(SoftmaxLossValues, SquaredErrorOfSoftLabels) {
  const OpOutputs out =
      run(SquaredError{}, {{1, 2}},
          {.src = {{1, 1}}, .labels = {0}, .soft_labels = {0.25f, 0.5f}, .loss_scale = 1});
  expect_near(out.dst, {0.40625f});
  expect_near(out.diff_src[0], {0.75f, 0.5f});
}

// Probabilities 1/4 and 3/4, and equal ones where exp would overflow.
TEST_P(SoftmaxLossValues, SoftmaxAlone) {
  const OpOutputs out = run(
      Softmax{}, {{2, 2}}, {.src = {{0, std::log(3.0f), 1000, 1000}}, .diff_dst = {{16, 0, 1, 1}}});
  expect_near(out.dst, {0.25f, 0.75f, 0.5f, 0.5f});
  expect_near(out.diff_src[0], {3, -3, 0, 0});
}

TEST(SoftmaxLoss, ALabelOutOfRangeIsNamed) {
  const auto backend = make_reference_backend();
  OpHarness harness(*backend, SoftmaxLoss{}, {{2, 3}}, {.mode = Mode::inference});
  try {
    harness.run({.src = {{0, 0, 0, 0, 0, 0}}, .labels = {2, 3}});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    EXPECT_STREQ(error.what(), "case: label of row 1 is 3, expected below 3");
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, SoftmaxLossValues, every_backend());

}  // namespace
}  // namespace convoy::test
