// Batch normalisation worked out by hand: src {1, 3} has mean 2 and variance 1 (unbiased 2), so
// that with epsilon 3 the deviation is 2 and the normalised values are -1/2 and 1/2.
#include "tests/ops/hand_value.h"

namespace convoy::test {
namespace {

class BatchNormValues : public HandValue {
 protected:
  static OpInputs inputs(const std::vector<float>& diff_dst) {
    return {.src = {{1, 3}}, .parameters = {{4}, {1}, {0}, {1}}, .diff_dst = {diff_dst}};
  }
  const Shape shape_{2, 1, 1, 1};
};

TEST_P(BatchNormValues, Training) {
  const OpOutputs out = run(BatchNorm{.epsilon = 3}, {shape_}, inputs({1, 3}));
  expect_near(out.dst, {-1, 3});
  expect_near(out.diff_src[0], {-1.5f, 1.5f});
  expect_near(out.gradients[0], {1});
  expect_near(out.gradients[1], {4});
  expect_near(out.gradients[2], {2});
  expect_near(out.gradients[3], {2});
}

TEST_P(BatchNormValues, WithRelu) {
  const OpOutputs out = run(BatchNorm{.epsilon = 3, .relu = true}, {shape_}, inputs({1, 3}));
  expect_near(out.dst, {0, 3});
  expect_near(out.diff_src[0], {-2.25f, 2.25f});
  expect_near(out.gradients[0], {1.5f});
  expect_near(out.gradients[1], {3});
}

TEST_P(BatchNormValues, WithAddAndRelu) {
  OpInputs in = inputs({1, 3});
  in.src.push_back({2, -5});
  const OpOutputs out =
      run(BatchNorm{.epsilon = 3, .add = true, .relu = true}, {shape_, shape_}, in);
  expect_near(out.dst, {1, 0});
  expect_near(out.diff_src[0], {0.75f, -0.75f});
  expect_near(out.diff_src[1], {1, 0});
  expect_near(out.gradients[0], {-0.5f});
  expect_near(out.gradients[1], {1});
}

TEST_P(BatchNormValues, InferenceUsesTheRunningStatistics) {
  const OpOutputs out = run(BatchNorm{.epsilon = 3}, {shape_},
                            {.src = {{1, 4}}, .parameters = {{4}, {1}, {1}, {6}}}, Mode::inference);
  expect_near(out.dst, {1, 5});
}

// Far from zero, a variance from the mean of squares would lose all digits.
TEST_P(BatchNormValues, SurvivesALargeMean) {
  OpInputs in = inputs({0, 0});
  in.src = {{10001, 10003}};
  const OpOutputs out = run(BatchNorm{.epsilon = 3}, {shape_}, in);
  expect_near(out.dst, {-1, 3});
  expect_near(out.gradients[3], {2});
}

TEST_P(BatchNormValues, OneValuePerChannelIsRefused) {
  const std::vector<TensorDesc> src{plain_desc({1, 6, 1, 1})};
  try {
    backend_->make(BatchNorm{}, {.place = "bn1", .src = src});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::config);
    EXPECT_EQ(std::string(error.what()).substr(0, 23), "bn1: input is 1x6x1x1: ");
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, BatchNormValues, every_backend());

}  // namespace
}  // namespace convoy::test
