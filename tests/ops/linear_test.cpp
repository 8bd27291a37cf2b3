// A fully connected layer worked out by hand.
#include "tests/ops/hand_value.h"

namespace convoy::test {
namespace {

class LinearValues : public HandValue {};

TEST_P(LinearValues, ForwardAndGradients) {
  const OpOutputs out = run(Linear{.out_features = 2}, {{2, 3}},
                            {.src = {{1, 2, 3, 4, 5, 6}},
                             .parameters = {{1, 0, -1, 2, 1, 0}, {10, 20}},
                             .diff_dst = {{1, 2, 3, 4}}});
  expect_near(out.dst, {8, 24, 8, 33});
  expect_near(out.diff_src[0], {5, 2, -1, 11, 4, -3});
  expect_near(out.gradients[0], {13, 17, 21, 18, 24, 30});
  expect_near(out.gradients[1], {4, 6});
}

TEST_P(LinearValues, WithoutBias) {
  const OpOutputs out = run(Linear{.out_features = 1, .bias = false}, {{2, 2}},
                            {.src = {{1, 2, 3, 4}}, .parameters = {{5, 6}}, .diff_dst = {{1, 1}}});
  expect_near(out.dst, {17, 39});
  expect_near(out.gradients[0], {4, 6});
}

INSTANTIATE_TEST_SUITE_P(Ops, LinearValues, every_backend());

}  // namespace
}  // namespace convoy::test
