// Transforms that draw: from the key alone, as often and as far as they should.
#include <gtest/gtest.h>

#include <map>

#include "ops/core/check.h"
#include "tests/data/images.h"
#include "tests/data/transform_run.h"

namespace convoy {
namespace {

using namespace test;

// Every offset turns up; the pixels are those of the padded image at that offset.
TEST(Transform, PadAndCropCutsFromThePaddedImage) {
  const Pipeline pipeline{.transforms = {PadAndCrop{5, 2}}, .normalize = identity};
  Image image = ramp(5, 5, 1);
  for (std::uint8_t& value : image.pixels) value += 1;  // so that no pixel looks like padding
  std::map<std::pair<int, int>, int> offsets;
  for (std::uint64_t id = 0; id < 2500; ++id) {
    const Result result = run(pipeline, image, {.seed = 1, .epoch = 0, .sample_id = id});
    const int centre = result.at(0, 2, 2) - 1;  // always a pixel of the image
    const int top = centre / 10 - 2;
    const int left = centre % 10 - 2;
    ++offsets[{top, left}];
    for (int y = 0; y < 5; ++y) {
      for (int x = 0; x < 5; ++x) {
        const int row = y + top;
        const int column = x + left;
        const bool inside = row >= 0 && row < 5 && column >= 0 && column < 5;
        ASSERT_EQ(result.at(1, y, x), inside ? 10 * row + column + 1 : 0);
      }
    }
  }
  EXPECT_EQ(offsets.size(), 25u);
  for (const auto& [offset, count] : offsets) EXPECT_NEAR(count, 100, 45);
}

// Each sample is shown both ways in any two epochs in a row; half of them begin flipped.
TEST(Transform, AlternatingFlipsTakeTurns) {
  const Pipeline pipeline{.transforms = {HorizontalFlip{.alternate = true}}, .normalize = identity};
  const auto flipped = [&](std::uint64_t sample, std::uint32_t epoch) {
    return run(pipeline, ramp(1, 2, 1), {.seed = 3, .epoch = epoch, .sample_id = sample})
               .at(0, 0, 0) != 0;
  };
  int first = 0;
  for (std::uint64_t sample = 0; sample < 1000; ++sample) {
    first += flipped(sample, 0);
    for (std::uint32_t epoch = 0; epoch < 4; ++epoch) {
      EXPECT_NE(flipped(sample, epoch), flipped(sample, epoch + 1)) << sample << ' ' << epoch;
    }
  }
  EXPECT_NEAR(first, 500, 60);
}

TEST(Transform, FlipComesUpAsOftenAsAsked) {
  const Pipeline pipeline{.transforms = {HorizontalFlip{0.25f}}, .normalize = identity};
  int flips = 0;
  for (std::uint64_t id = 0; id < 4000; ++id) {
    flips += run(pipeline, ramp(1, 2, 1), {.seed = 3, .epoch = 2, .sample_id = id}).at(0, 0, 0);
  }
  EXPECT_NEAR(flips, 1000, 120);
}

// On a vertical ramp the slope that is left tells the crop's height, the first value its place.
TEST(Transform, RandomResizedCropKeepsAreaAndRatioInTheirBounds) {
  Image image;
  image.reshape(120, 100, 1);
  std::map<int, int> tops;
  double smallest = 1, largest = 0;
  for (std::uint64_t id = 0; id < 2000; ++id) {
    for (int y = 0; y < 120; ++y) {
      for (int x = 0; x < 100; ++x) image.pixels[y * 100 + x] = static_cast<std::uint8_t>(2 * y);
    }
    const RandomResizedCrop crop{.size = 16, .min_area = 0.2f, .max_area = 0.5f};
    const Result result =
        run({.transforms = {crop}, .normalize = identity, .channels = 1}, image, {.sample_id = id});
    ASSERT_EQ(result.shape, (Shape{1, 16, 16}));
    const double height = (result.at(0, 12, 8) - result.at(0, 4, 8)) / 2.0 * 16 / 8;
    const double share = height * height / (120.0 * 100.0);
    smallest = std::min(smallest, share);
    largest = std::max(largest, share);
    ++tops[result.at(0, 0, 0) / 20];
  }
  // height^2 is area over ratio: 0.2 * 3/4 to 0.5 * 4/3.
  EXPECT_GT(smallest, 0.14);
  EXPECT_LT(smallest, 0.19);
  EXPECT_LT(largest, 0.69);
  EXPECT_GT(largest, 0.55);
  EXPECT_GE(tops.size(), 5u);
}

TEST(Transform, RandomResizedCropOfTheWholeIsAResize) {
  const Image image = noise_image(40, 40, 3);
  const RandomResizedCrop whole{
      .size = 24, .min_area = 1, .max_area = 1, .min_ratio = 1, .max_ratio = 1};
  EXPECT_EQ(run({.transforms = {whole}}, image).values,
            run({.transforms = {Resize{24}}}, image).values);
}

TEST(Transform, RandomResizedCropFallsBackToTheCentre) {
  // No square has the area of a strip.
  const Image strip = ramp(10, 20, 1);
  const RandomResizedCrop square{
      .size = 10, .min_area = 1, .max_area = 1, .min_ratio = 1, .max_ratio = 1};
  EXPECT_EQ(run({.transforms = {square}}, strip).values,
            run({.transforms = {CenterCrop{10}}}, strip).values);
}

TEST(Transform, CutoutMakesASquareOfTheMean) {
  Image image;
  image.reshape(9, 9, 3);
  std::ranges::fill(image.pixels, std::uint8_t{255});
  std::map<int, int> sizes;
  std::vector<int> hits(81);
  for (std::uint64_t id = 0; id < 4000; ++id) {
    const Result result =
        run({.transforms = {HorizontalFlip{}, Cutout{3}}}, image, {.sample_id = id});
    int hole = 0;
    for (int i = 0; i < 81; ++i) {
      const bool cut = result.values[i] == 0;
      EXPECT_EQ(result.values[81 + i] == 0, cut);
      EXPECT_EQ(result.values[162 + i] == 0, cut);
      hole += cut;
      hits[i] += cut;
    }
    ++sizes[hole];
  }
  // Whole in the middle, two rows of three at an edge, four pixels in a corner.
  ASSERT_EQ(sizes.size(), 3u);
  EXPECT_NEAR(sizes[9] / 4000.0, 49 / 81.0, 0.03);
  EXPECT_NEAR(sizes[6] / 4000.0, 28 / 81.0, 0.03);
  EXPECT_NEAR(sizes[4] / 4000.0, 4 / 81.0, 0.02);
  EXPECT_NEAR(hits[40] / 4000.0, 9 / 81.0, 0.02);
}

TEST(Transform, CutoutComesLast) {
  const Pipeline pipeline{.transforms = {Cutout{3}, HorizontalFlip{}}};
  EXPECT_THROW(pipeline.output_shape(9, 9), Error);
}

TEST(Transform, DrawsDependOnTheKeyAlone) {
  const Pipeline pipeline{.transforms = {PadAndCrop{16, 4}, HorizontalFlip{}}};
  const Image image = noise_image(16, 16, 3);
  const DrawKey key{.seed = 5, .epoch = 6, .sample_id = 7};
  EXPECT_EQ(run(pipeline, image, key).values, run(pipeline, image, key).values);
  int same = 0;
  for (std::uint32_t i = 1; i <= 20; ++i) {
    for (const DrawKey& other :
         {DrawKey{5 + i, 6, 7}, DrawKey{5, 6 + i, 7}, DrawKey{5, 6, 7 + i}}) {
      same += run(pipeline, image, key).values == run(pipeline, image, other).values;
    }
  }
  EXPECT_LE(same, 4);  // of 60, with 81 * 2 outcomes
}

}  // namespace
}  // namespace convoy
