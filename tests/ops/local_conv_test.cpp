// Locally connected and tiled convolution worked out by hand: one row of three pixels, windows of
// one pixel.
#include "tests/ops/hand_value.h"

namespace convoy::test {
namespace {

class LocalConvValues : public HandValue {
 protected:
  const Shape row_{1, 1, 1, 3};
};

TEST_P(LocalConvValues, EveryPositionHasItsWeights) {
  const OpOutputs out = run(LocalConv{.out_channels = 1, .kernel = 1, .bias = true}, {row_},
                            {.src = {{1, 2, 3}},
                             .parameters = {{10, 20, 30}, {0.5f, 0.25f, 0}},
                             .diff_dst = {{1, 2, 3}}});
  expect_near(out.dst, {10.5f, 40.25f, 90});
  expect_near(out.diff_src[0], {10, 40, 90});
  expect_near(out.gradients[0], {1, 4, 9});
  expect_near(out.gradients[1], {1, 2, 3});
}

TEST_P(LocalConvValues, TiledWeightsRepeat) {
  const OpOutputs out =
      run(LocalConv{.out_channels = 1, .kernel = 1, .tile = {1, 2}, .bias = true}, {row_},
          {.src = {{1, 2, 3}}, .parameters = {{10, 20}, {0.5f, 0}}, .diff_dst = {{1, 2, 3}}});
  expect_near(out.dst, {10.5f, 40, 30.5f});
  expect_near(out.diff_src[0], {10, 40, 30});
  expect_near(out.gradients[0], {10, 4});
  expect_near(out.gradients[1], {4, 2});
}

// With a tile of one it is a convolution, of the same weights.
TEST_P(LocalConvValues, ATileOfOneIsAConvolution) {
  const Shape images{2, 5, 7, 6};
  const Conv conv{.out_channels = 4, .stride = 2, .pad = {0, 1, 2, 1}, .bias = true};
  const LocalConv local{
      .out_channels = 4, .stride = 2, .pad = {0, 1, 2, 1}, .tile = 1, .bias = true};
  const OpInputs inputs = random_inputs({"", conv, {images}}, 5);
  const OpOutputs expected = run(conv, {images}, inputs), found = run(local, {images}, inputs);
  for (std::size_t i = 0; i < expected.dst.size(); ++i) {
    EXPECT_NEAR(found.dst[i], expected.dst[i], 1e-5) << i;
  }
  for (std::size_t i = 0; i < expected.diff_src[0].size(); ++i) {
    EXPECT_NEAR(found.diff_src[0][i], expected.diff_src[0][i], 1e-5) << i;
  }
  for (std::size_t i = 0; i < expected.gradients[0].size(); ++i) {
    EXPECT_NEAR(found.gradients[0][i], expected.gradients[0][i], 2e-5) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, LocalConvValues, every_backend());

}  // namespace
}  // namespace convoy::test
