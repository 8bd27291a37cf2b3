// Pooling worked out by hand.
#include "tests/ops/hand_value.h"

namespace convoy::test {
namespace {

class PoolValues : public HandValue {};

TEST_P(PoolValues, MaxSendsTheGradientToTheWinner) {
  const OpOutputs out = run(Pool{}, {{1, 1, 4, 4}},
                            {.src = {{1, 2, 5, 3, 4, 0, 6, 7, -1, -2, -3, -4, -5, -6, -7, -8}},
                             .diff_dst = {{1, 2, 3, 4}}});
  expect_near(out.dst, {4, 7, -1, -3});
  expect_near(out.diff_src[0], {0, 0, 0, 0, 1, 0, 0, 2, 3, 0, 4, 0, 0, 0, 0, 0});
}

TEST_P(PoolValues, MaxAddsUpWhereWindowsOverlap) {
  const Pool pool{.kernel = {1, 2}, .stride = 1};
  const OpOutputs out = run(pool, {{1, 1, 1, 3}}, {.src = {{1, 3, 2}}, .diff_dst = {{1, 2}}});
  expect_near(out.dst, {3, 3});
  expect_near(out.diff_src[0], {0, 3, 0});
}

TEST_P(PoolValues, PaddingNeverWins) {
  const Pool pool{.kernel = 3, .stride = 2, .pad = 1};
  const OpOutputs out = run(pool, {{1, 1, 2, 2}}, {.src = {{-4, -3, -2, -5}}, .diff_dst = {{1}}});
  expect_near(out.dst, {-2});
  expect_near(out.diff_src[0], {0, 0, 1, 0});
}

TEST_P(PoolValues, TheFirstOfEqualMaximaWins) {
  const OpOutputs out =
      run(Pool{}, {{1, 1, 2, 4}}, {.src = {{5, 5, 0, 0, 5, 5, 0, 0}}, .diff_dst = {{1, 2}}});
  expect_near(out.dst, {5, 0});
  expect_near(out.diff_src[0], {1, 0, 2, 0, 0, 0, 0, 0});
}

TEST_P(PoolValues, AverageCountsPaddingOrNot) {
  const auto pooled = [&](bool count_padding) {
    const Pool pool{.kind = PoolKind::average, .pad = 1, .count_padding = count_padding};
    return run(pool, {{1, 1, 2, 2}}, {.src = {{1, 2, 3, 4}}, .diff_dst = {{4, 8, 12, 16}}});
  };
  const OpOutputs counted = pooled(true), not_counted = pooled(false);
  expect_near(counted.dst, {0.25f, 0.5f, 0.75f, 1});
  expect_near(counted.diff_src[0], {1, 2, 3, 4});
  expect_near(not_counted.dst, {1, 2, 3, 4});
  expect_near(not_counted.diff_src[0], {4, 8, 12, 16});
}

TEST_P(PoolValues, GlobalIsTheMeanOfAChannel) {
  const OpOutputs out =
      run(GlobalPool{}, {{1, 2, 2, 2}}, {.src = {{1, 2, 3, 4, 5, 6, 7, 12}}, .diff_dst = {{4, 8}}});
  expect_near(out.dst, {2.5f, 7.5f});
  expect_near(out.diff_src[0], {1, 1, 1, 1, 2, 2, 2, 2});
}

INSTANTIATE_TEST_SUITE_P(Ops, PoolValues, every_backend());

}  // namespace
}  // namespace convoy::test
