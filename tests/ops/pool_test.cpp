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

// The numbers of the next five are PyTorch's.
const std::vector<float> one_to_twelve{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

TEST_P(PoolValues, MaxWithSizesRoundedUp) {
  const OpOutputs out =
      run(Pool{.ceil = true}, {{1, 1, 3, 4}}, {.src = {one_to_twelve}, .diff_dst = {{1, 2, 3, 4}}});
  expect_near(out.dst, {6, 8, 10, 12});
  expect_near(out.diff_src[0], {0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4});
}

TEST_P(PoolValues, AverageWithSizesRoundedUp) {
  const OpOutputs out = run(Pool{.kind = PoolKind::average, .ceil = true}, {{1, 1, 3, 4}},
                            {.src = {one_to_twelve}, .diff_dst = {{1, 2, 3, 4}}});
  expect_near(out.dst, {3.5f, 5.5f, 9.5f, 11.5f});
  expect_near(out.diff_src[0],
              {0.25f, 0.25f, 0.5f, 0.5f, 0.25f, 0.25f, 0.5f, 0.5f, 1.5f, 1.5f, 2, 2});
}

TEST_P(PoolValues, WhatLiesBeyondThePaddingDoesNotCount) {
  const Pool pool{.kind = PoolKind::average, .kernel = 3, .stride = 2, .pad = 1, .ceil = true};
  const OpOutputs out =
      run(pool, {{1, 1, 3, 4}}, {.src = {one_to_twelve}, .diff_dst = {{9, 18, 6, 36, 45, 12}}});
  expect_near(out.dst, {14 / 9.0f, 30 / 9.0f, 2, 30 / 9.0f, 6, 20 / 6.0f});
  expect_near(out.diff_src[0], {1, 3, 2, 3, 5, 12, 7, 10, 4, 9, 5, 7});
}

TEST_P(PoolValues, AdaptivePartsOverlapWhereTheyDoNotDivide) {
  const OpOutputs out = run(AdaptivePool{2, 3}, {{1, 1, 3, 4}},
                            {.src = {one_to_twelve}, .diff_dst = {{1, 2, 3, 4, 5, 6}}});
  expect_near(out.dst, {3.5f, 4.5f, 5.5f, 7.5f, 8.5f, 9.5f});
  expect_near(out.diff_src[0],
              {0.25f, 0.75f, 1.25f, 0.75f, 1.25f, 3, 4, 2.25f, 1, 2.25f, 2.75f, 1.5f});
}

TEST_P(PoolValues, L2IsTheNormOfAWindow) {
  const OpOutputs out =
      run(Pool{.kind = PoolKind::l2}, {{1, 1, 2, 6}},
          {.src = {{3, 4, 0, 0, 0, 0, 0, 0, 5, 12, 0, 0}}, .diff_dst = {{10, 26, 7}}});
  expect_near(out.dst, {5, 13, 0});
  expect_near(out.diff_src[0], {6, 8, 0, 0, 0, 0, 0, 0, 10, 24, 0, 0});
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
