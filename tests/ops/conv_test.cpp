// Convolutions worked out by hand.
#include <algorithm>
#include <cmath>
#include <sstream>

#include "tests/ops/hand_value.h"

namespace convoy::test {
namespace {

class ConvValues : public HandValue {};

const std::vector<float> one_to_nine{1, 2, 3, 4, 5, 6, 7, 8, 9};
// Each digit of the result is the pixel under that tap.
const std::vector<float> digits{1, 10, 100, 1000};

TEST_P(ConvValues, BiasAndGradients) {
  const Conv conv{.out_channels = 1, .kernel = 2, .bias = true};
  const OpOutputs out =
      run(conv, {{1, 1, 3, 3}},
          {.src = {one_to_nine}, .parameters = {{1, 2, 3, 4}, {10}}, .diff_dst = {{1, 0, 0, 2}}});
  expect_near(out.dst, {47, 57, 77, 87});
  expect_near(out.diff_src[0], {1, 2, 0, 3, 6, 4, 0, 6, 8});
  expect_near(out.gradients[0], {11, 14, 20, 23});
  expect_near(out.gradients[1], {3});
}

TEST_P(ConvValues, SumsInputChannels) {
  const Conv conv{.out_channels = 2, .kernel = 1};
  const OpOutputs out =
      run(conv, {{1, 3, 1, 1}},
          {.src = {{1, 2, 3}}, .parameters = {{1, 10, 100, 2, 20, 200}}, .diff_dst = {{1, 1}}});
  expect_near(out.dst, {321, 642});
  expect_near(out.diff_src[0], {3, 30, 300});
  expect_near(out.gradients[0], {1, 2, 3, 1, 2, 3});
}

TEST_P(ConvValues, PaddingOnEachSide) {
  const auto values = [&](Padding pad, Extent stride) {
    const Conv conv{.out_channels = 1, .kernel = 2, .stride = stride, .pad = pad};
    return run(conv, {{1, 1, 2, 2}}, {.src = {{1, 2, 3, 4}}, .parameters = {digits}}).dst;
  };
  expect_near(values({1, 1, 0, 0}, 2), {1000});
  expect_near(values({0, 0, 1, 1}, 2), {4321});
  expect_near(values({1, 0, 0, 1}, 1), {2100, 200, 4321, 402});
}

TEST_P(ConvValues, Dilation) {
  const Conv conv{.out_channels = 1, .kernel = 2, .dilation = 2};
  const OpOutputs out =
      run(conv, {{1, 1, 3, 3}}, {.src = {one_to_nine}, .parameters = {digits}, .diff_dst = {{1}}});
  expect_near(out.dst, {9731});
  expect_near(out.diff_src[0], {1, 0, 10, 0, 0, 0, 100, 0, 1000});
  expect_near(out.gradients[0], {1, 3, 7, 9});
}

TEST_P(ConvValues, Groups) {
  const Conv conv{.out_channels = 4, .kernel = 1, .groups = 2};
  const OpOutputs out = run(conv, {{1, 2, 1, 1}},
                            {.src = {{2, 3}}, .parameters = {digits}, .diff_dst = {{1, 1, 1, 1}}});
  expect_near(out.dst, {2, 20, 300, 3000});
  expect_near(out.diff_src[0], {11, 1100});
  expect_near(out.gradients[0], {2, 2, 3, 3});
}

INSTANTIATE_TEST_SUITE_P(Ops, ConvValues, every_backend());

// Which passes of a dense 3x3 convolution of 64 channels run by Winograd's algorithm.
std::vector<std::string> winograd_passes(Winograd winograd, const Shape& images) {
  const auto backend = make_onednn_backend({.winograd = winograd});
  const Conv conv{.out_channels = 64, .pad = 1};
  const OpHarness harness(*backend, conv, {images}, {.offer_conv_layout = true});
  std::istringstream implementations(harness.spec().algorithm);
  std::vector<std::string> passes;
  for (const char* pass : {"weight gradient", "source gradient", "forward"}) {
    std::string implementation;
    implementations >> implementation;
    if (implementation.find("wino") != std::string::npos) passes.push_back(pass);
  }
  return passes;
}

TEST(WinogradRule, DecidesByShapeAndIsObeyed) {
  const Shape few{1, 64, 8, 8}, some{2, 64, 8, 8}, many{1, 64, 16, 16}, ragged{16, 64, 5, 5};
  const std::vector<std::string> all{"weight gradient", "source gradient", "forward"}, none;
  EXPECT_EQ(winograd_passes(Winograd::wherever_possible, few), all);
  EXPECT_EQ(winograd_passes(Winograd::where_faster, few), none);
  EXPECT_EQ(winograd_passes(Winograd::where_faster, some),
            std::vector<std::string>{"weight gradient"});
  EXPECT_EQ(winograd_passes(Winograd::where_faster, many), all);
  EXPECT_EQ(winograd_passes(Winograd::where_faster, ragged), none);
  EXPECT_EQ(winograd_passes(Winograd::never, many), none);
}

// The convolution's implementations, and how far rounded factors carry its output from that of
// float ones, relative to the largest output.
struct Rounding {
  std::string fp32, bf16;
  double error = 0;
};

Rounding rounding_of(const Conv& conv, const Shape& images) {
  const OpCase c{"", conv, {images}};
  const OpInputs inputs = random_inputs(c, 1);
  const auto fp32 = make_onednn_backend();
  const auto bf16 = make_onednn_backend({.precision = Precision::bf16});
  OpHarness expected(*fp32, c.op, c.inputs, {.offer_conv_layout = true});
  OpHarness found(*bf16, c.op, c.inputs, {.offer_conv_layout = true});
  Rounding rounding{expected.spec().algorithm, found.spec().algorithm};
  const std::vector<float> a = expected.run(inputs).dst, b = found.run(inputs).dst;
  float largest = 0, difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(a[i]));
    difference = std::max(difference, std::abs(a[i] - b[i]));
  }
  rounding.error = difference / largest;
  return rounding;
}

TEST(Bf16, RoundsFactorsWhereThatPaysAndNowhereElse) {
  if (!onednn_can_multiply_in(Precision::bf16)) {
    EXPECT_THROW(make_onednn_backend({.precision = Precision::bf16}), Error);
    GTEST_SKIP() << "no AVX512-BF16 here";
  }
  const Rounding wide = rounding_of({.out_channels = 64, .kernel = 1}, {4, 64, 8, 8});
  EXPECT_NE(wide.fp32, wide.bf16);
  EXPECT_GT(wide.error, 1e-4);
  EXPECT_LT(wide.error, 1e-2);
  for (const auto& [conv, images] :
       {std::pair{Conv{.out_channels = 16, .kernel = 1}, Shape{4, 64, 8, 8}},    // too narrow
        {Conv{.out_channels = 64, .pad = 1, .groups = 64}, Shape{4, 64, 8, 8}},  // depthwise
        {Conv{.out_channels = 64, .pad = 1}, Shape{4, 64, 8, 8}}}) {             // by Winograd
    const Rounding same = rounding_of(conv, images);
    EXPECT_EQ(same.fp32, same.bf16);
    EXPECT_EQ(same.error, 0);
  }
}

TEST(Bf16, RoundsAnewInEveryStep) {
  if (!onednn_can_multiply_in(Precision::bf16)) GTEST_SKIP() << "no AVX512-BF16 here";
  const OpCase c{"", Conv{.out_channels = 64, .kernel = 1}, {{2, 64, 6, 6}}};
  const auto backend = make_onednn_backend({.precision = Precision::bf16});
  OpHarness used(*backend, c.op, c.inputs, {.offer_conv_layout = true});
  OpHarness fresh(*backend, c.op, c.inputs, {.offer_conv_layout = true});
  used.run(random_inputs(c, 1));
  const OpOutputs found = used.run(random_inputs(c, 2));
  const OpOutputs expected = fresh.run(random_inputs(c, 2));
  EXPECT_EQ(found.dst, expected.dst);
  EXPECT_EQ(found.diff_src, expected.diff_src);
  EXPECT_EQ(found.gradients, expected.gradients);
}

#ifdef __SANITIZE_THREAD__
constexpr bool openmp_is_understood = false;  // its threads wait for each other in ways unseen
#else
constexpr bool openmp_is_understood = true;
#endif

TEST(WinogradThreads, DoNotChangeABit) {
  if (!openmp_is_understood) GTEST_SKIP() << "the sanitizer would see races where there are none";
  const Shape images{7, 32, 13, 13};  // several blocks of tiles
  for (const int channels : {48, 144}) {
    const OpCase c{"", Conv{.out_channels = channels, .pad = 1, .bias = true}, {images}};
    const auto outputs = [&](int threads) {
      const auto backend =
          make_onednn_backend({.threads = threads, .winograd = Winograd::wherever_possible});
      return OpHarness(*backend, c.op, c.inputs, {.offer_conv_layout = true})
          .run(random_inputs(c, 1));
    };
    const OpOutputs one = outputs(1), three = outputs(3);
    EXPECT_EQ(one.dst, three.dst);
    EXPECT_EQ(one.diff_src, three.diff_src);
    EXPECT_EQ(one.gradients, three.gradients);
  }
}

}  // namespace
}  // namespace convoy::test
