// Element-wise ops worked out by hand.
#include <cmath>

#include "tests/ops/hand_value.h"

namespace convoy::test {
namespace {

class ActivationValues : public HandValue {};

const float log2 = std::log(2.0f), log3 = std::log(3.0f);

TEST_P(ActivationValues, Relu) {
  const OpOutputs out = run(Activation{ActivationKind::relu}, {{1, 4}},
                            {.src = {{-1, 0, 2, 3}}, .diff_dst = {{1, 1, 1, 5}}});
  expect_near(out.dst, {0, 0, 2, 3});
  expect_near(out.diff_src[0], {0, 0, 1, 5});
}

TEST_P(ActivationValues, Relu6) {
  const OpOutputs out = run(Activation{ActivationKind::relu6}, {{1, 5}},
                            {.src = {{-1, 0, 2, 6, 7}}, .diff_dst = {{1, 2, 3, 4, 5}}});
  expect_near(out.dst, {0, 0, 2, 6, 6});
  expect_near(out.diff_src[0], {0, 0, 3, 0, 0});
}

TEST_P(ActivationValues, Sigmoid) {
  const OpOutputs out = run(Activation{ActivationKind::sigmoid}, {{1, 4}},
                            {.src = {{0, log3, -1000, 1000}}, .diff_dst = {{1, 2, 1, 1}}});
  expect_near(out.dst, {0.5f, 0.75f, 0, 1});
  expect_near(out.diff_src[0], {0.25f, 0.375f, 0, 0});
}

TEST_P(ActivationValues, Tanh) {
  const OpOutputs out = run(Activation{ActivationKind::tanh}, {{1, 3}},
                            {.src = {{0, log2, -1000}}, .diff_dst = {{1, 2, 1}}});
  expect_near(out.dst, {0, 0.6f, -1});
  expect_near(out.diff_src[0], {1, 1.28f, 0});
}

TEST_P(ActivationValues, Add) {
  const OpOutputs out =
      run(Add{}, {{1, 2}, {1, 2}}, {.src = {{1, 2}, {30, 40}}, .diff_dst = {{5, 6}}});
  expect_near(out.dst, {31, 42});
  expect_near(out.diff_src[0], {5, 6});
  expect_near(out.diff_src[1], {5, 6});
}

TEST_P(ActivationValues, FlattenKeepsTheOrder) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6, 7, 8};
  const OpOutputs out = run(Flatten{}, {{1, 2, 2, 2}}, {.src = {values}, .diff_dst = {values}});
  expect_near(out.dst, values);
  expect_near(out.diff_src[0], values);
}

INSTANTIATE_TEST_SUITE_P(Ops, ActivationValues, every_backend());

}  // namespace
}  // namespace convoy::test
