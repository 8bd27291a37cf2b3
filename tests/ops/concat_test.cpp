// Concatenation and dropout: where each value goes, and which values stay.
#include <algorithm>
#include <cmath>

#include "ops/core/random.h"
#include "tests/ops/hand_value.h"

namespace convoy::test {
namespace {

class ConcatValues : public HandValue {};

TEST_P(ConcatValues, ChannelsFollowOneAnother) {
  const OpOutputs out = run(Concat{}, {{2, 1, 1, 2}, {2, 2, 1, 2}},
                            {.src = {{1, 2, 3, 4}, {10, 20, 30, 40, 50, 60, 70, 80}},
                             .diff_dst = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}}});
  expect_near(out.dst, {1, 2, 10, 20, 30, 40, 3, 4, 50, 60, 70, 80});
  expect_near(out.diff_src[0], {1, 2, 7, 8});
  expect_near(out.diff_src[1], {3, 4, 5, 6, 9, 10, 11, 12});
}

INSTANTIATE_TEST_SUITE_P(Ops, ConcatValues, every_backend());

class DropoutValues : public HandValue {
 protected:
  // Of ones, without gradients.
  std::vector<float> masked(const Dropout& op, const Shape& shape, std::uint64_t seed,
                            std::uint64_t position) {
    const std::vector<float> ones(static_cast<std::size_t>(shape.elements()), 1.0f);
    return run(op, {shape}, {.src = {ones}, .seed = seed, .position = position}).dst;
  }
};

TEST_P(DropoutValues, KeepsTheShareThatWasAskedFor) {
  const std::vector<float> dst = masked({.probability = 0.75f}, {8, 512}, 1, 0);
  const auto kept = std::count(dst.begin(), dst.end(), 4.0f);
  EXPECT_EQ(kept + std::count(dst.begin(), dst.end(), 0.0f), 4096);
  EXPECT_NEAR(static_cast<double>(kept), 1024, 5 * std::sqrt(4096 * 0.1875));
}

TEST_P(DropoutValues, InferenceChangesNothing) {
  const OpOutputs out = run(Dropout{}, {{1, 3}}, {.src = {{1, 2, 3}}}, Mode::inference);
  expect_near(out.dst, {1, 2, 3});
}

// A sample's mask depends on its place in the run, not on the batch that it came in.
TEST_P(DropoutValues, AMaskBelongsToASample) {
  const Dropout op{.layer = 2};
  const std::vector<float> both = masked(op, {2, 6, 3, 3}, 9, 40);
  std::vector<float> apart = masked(op, {1, 6, 3, 3}, 9, 40);
  const std::vector<float> second = masked(op, {1, 6, 3, 3}, 9, 41);
  apart.insert(apart.end(), second.begin(), second.end());
  EXPECT_EQ(both, apart);
  EXPECT_FALSE(std::equal(second.begin(), second.end(), both.begin()));
}

TEST_P(DropoutValues, SeedAndLayerChangeTheMask) {
  const Shape shape{1, 256};
  const std::vector<float> mask = masked({.layer = 1}, shape, 9, 0);
  EXPECT_EQ(masked({.layer = 1}, shape, 9, 0), mask);
  EXPECT_NE(masked({.layer = 2}, shape, 9, 0), mask);
  EXPECT_NE(masked({.layer = 1}, shape, 10, 0), mask);
}

// Elements are numbered channels last: these are the first numbers of a fixed stream, of which
// those below one half drop theirs.
TEST_P(DropoutValues, TheStreamIsFixed) {
  Random random(9, RandomUse::dropout, 5, 3);
  std::vector<float> expected(12);
  for (std::size_t pixel = 0; pixel < 4; ++pixel) {
    for (std::size_t channel = 0; channel < 3; ++channel) {
      expected[channel * 4 + pixel] = random() >= 0x80000000u ? 2.0f : 0.0f;
    }
  }
  EXPECT_EQ(masked({.layer = 3}, {1, 3, 2, 2}, 9, 5), expected);
}

INSTANTIATE_TEST_SUITE_P(Ops, DropoutValues, every_backend());

}  // namespace
}  // namespace convoy::test
