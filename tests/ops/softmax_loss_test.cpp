// Softmax cross-entropy worked out by hand.
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
