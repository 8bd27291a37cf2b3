// Transforms that compute new pixels: torchvision's values to the last bit with fixed parameters,
// and draws of the right kind.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "data/transform.h"
#include "ops/core/check.h"
#include "tests/data/images.h"
#include "tests/data/named_transforms.h"

namespace convoy {
namespace {

// Pixel values come through unchanged.
constexpr Normalize identity{{0, 0, 0}, {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}};

std::vector<float> floats_of(const Pipeline& pipeline, const Image& image, std::uint64_t id,
                             TransformScratch& scratch) {
  const Shape shape = pipeline.output_shape(image.height, image.width);
  std::vector<float> values(shape.elements());
  PixelsInMemory source(view_of(image));
  apply(pipeline, source, {.seed = 8, .epoch = 3, .sample_id = id}, "", shape, scratch,
        std::as_writable_bytes(std::span(values)));
  return values;
}

// What the pipeline makes of the image, as pixels again.
Image painted(const Pipeline& pipeline, const Image& image, std::uint64_t id,
              TransformScratch& scratch) {
  const Shape shape = pipeline.output_shape(image.height, image.width);
  const std::vector<float> values = floats_of(pipeline, image, id, scratch);
  Image result;
  result.reshape(static_cast<int>(shape[1]), static_cast<int>(shape[2]), 3);
  const std::int64_t plane = shape[1] * shape[2];
  for (std::int64_t i = 0; i < 3 * plane; ++i) {
    result.pixels[i] = static_cast<std::uint8_t>(std::lround(values[i % 3 * plane + i / 3]));
  }
  return result;
}

Image painted(const Transform& transform, const Image& image, std::uint64_t id = 1) {
  TransformScratch scratch;
  return painted({.transforms = {transform}, .normalize = identity}, image, id, scratch);
}

Image flat_image(int height, int width, std::uint8_t value) {
  Image image;
  image.reshape(height, width, 3);
  std::ranges::fill(image.pixels, value);
  return image;
}

// Every transform, with parameters that golden/compare_transforms.py lists.
TEST(Repaint, EqualsTorchvision) {
  std::ifstream file(CONVOY_TRANSFORMS_FILE);
  int compared = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    int channels = 0;
    std::uint32_t expected = 0;
    std::string name;
    words >> channels >> name >> expected;
    test::Numbers numbers;
    for (double number; words >> number;) numbers.push_back(number);
    Image image = noise_image(19, 26, channels);
    test::apply_by_name(name, numbers, image);
    EXPECT_EQ(crc32c_of(image), expected) << line;
    ++compared;
  }
  EXPECT_EQ(compared, 319);
}

TEST(Repaint, ToleratesTinyImages) {
  for (const auto& [height, width] : {std::pair{1, 1}, {1, 5}, {2, 2}, {5, 1}}) {
    for (int which = 0; which < augmentations; ++which) {
      Image image = noise_image(height, width, 3), scratch;
      augment(image, static_cast<Augmentation>(which),
              strength_of(static_cast<Augmentation>(which), trivial_augment_strongest, 20, 31,
                          height, width),
              scratch);
      EXPECT_EQ(image.pixels.size(), 3u * height * width);
    }
  }
}

TEST(Repaint, VerticalFlipReversesColumns) {
  const Image image = noise_image(5, 4, 3);
  const Image flipped = painted(VerticalFlip{1}, image);
  for (int y = 0; y < 5; ++y) {
    EXPECT_TRUE(std::equal(image.pixels.begin() + y * 12, image.pixels.begin() + (y + 1) * 12,
                           flipped.pixels.begin() + (4 - y) * 12));
  }
  EXPECT_EQ(painted(VerticalFlip{0}, image), image);
}

// Where torchvision's five_crop of 4 begins in images of 7 x 9.
TEST(Repaint, CornerCropsAreFiveCrop) {
  const Image image = noise_image(7, 9, 3);
  const std::map<Corner, std::pair<int, int>> begins = {{Corner::top_left, {0, 0}},
                                                        {Corner::top_right, {0, 5}},
                                                        {Corner::bottom_left, {3, 0}},
                                                        {Corner::bottom_right, {3, 5}},
                                                        {Corner::center, {2, 2}}};
  for (const auto& [corner, begin] : begins) {
    const Image part = painted(CornerCrop{4, corner}, image);
    for (int i = 0; i < 4 * 4 * 3; ++i) {
      const int y = begin.first + i / 12, x = begin.second + i / 3 % 4;
      ASSERT_EQ(part.pixels[i], image.pixels[(y * 9 + x) * 3 + i % 3]) << static_cast<int>(corner);
    }
  }
}

// A flip and a crop before are seen by what comes after.
TEST(Repaint, WorksOnWhatIsSeen) {
  TransformScratch scratch;
  const Image image = noise_image(20, 20, 3);
  const Pipeline seen{.transforms = {HorizontalFlip{1}, CenterCrop{24}}, .normalize = identity};
  Pipeline both = seen;
  both.transforms.push_back(RandomGrayscale{1});
  both.transforms.push_back(VerticalFlip{1});
  Image expected = painted(seen, image, 1, scratch);
  make_colourless(expected);
  EXPECT_EQ(painted(both, image, 1, scratch), painted(VerticalFlip{1}, expected));
}

// The factors that a jitter draws after its order.
struct Factors {
  float brightness, contrast, saturation, hue;
  Factors(const ColorJitter& jitter, Random draws) {
    for (std::uint32_t i = 3; i > 0; --i) draws.below(i + 1);
    brightness = draws.uniform(1 - jitter.brightness, 1 + jitter.brightness);
    contrast = draws.uniform(1 - jitter.contrast, 1 + jitter.contrast);
    saturation = draws.uniform(1 - jitter.saturation, 1 + jitter.saturation);
    hue = draws.uniform(-jitter.hue, jitter.hue);
  }
  void apply(int which, Image& image) const {
    if (which == 0) adjust_brightness(image, brightness);
    if (which == 1) adjust_contrast(image, contrast);
    if (which == 2) adjust_saturation(image, saturation);
    if (which == 3) adjust_hue(image, hue);
  }
};

TEST(Repaint, JitterTakesAllOrders) {
  const ColorJitter settings{0.4f, 0.3f, 0.2f, 0.1f};
  const Image image = noise_image(12, 10, 3);
  std::map<std::array<int, 4>, int> orders;
  constexpr int count = 1200;
  for (int id = 0; id < count; ++id) {
    const Random draws(8, RandomUse::color_jitter, id, 3);
    const Factors factors(settings, draws);
    const Image result = painted(settings, image, id);
    std::array<int, 4> order{0, 1, 2, 3};
    bool found = false;
    do {
      Image expected = image;
      for (const int which : order) factors.apply(which, expected);
      found = expected == result;
    } while (!found && std::ranges::next_permutation(order).found);
    ASSERT_TRUE(found) << id;
    ++orders[order];
  }
  EXPECT_EQ(orders.size(), 24u);
  for (const auto& [order, times] : orders) EXPECT_NEAR(times, count / 24, 35);
}

TEST(Repaint, BrightnessIsUniformAround1) {
  int lowest = 255, highest = 0;
  double sum = 0;
  constexpr int count = 1000;
  for (int id = 0; id < count; ++id) {
    const int value = painted(ColorJitter{.brightness = 0.4f}, flat_image(1, 1, 100), id).pixels[0];
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
    sum += value;
  }
  EXPECT_TRUE(lowest == 60 && highest == 139) << lowest << " " << highest;
  EXPECT_NEAR(sum / count, 99.5, 2.5);
}

TEST(Repaint, GreyImagesStayGrey) {
  TransformScratch scratch;
  const Pipeline pipeline{
      .transforms = {ColorJitter{0.4f, 0.4f, 0.4f, 0.1f}, RandAugment{}, RandomGrayscale{}},
      .normalize = identity};
  for (int id = 0; id < 50; ++id) {
    const Image result = painted(pipeline, noise_image(9, 7, 1), id, scratch);
    for (std::size_t i = 0; i < result.pixels.size(); i += 3) {
      EXPECT_TRUE(result.pixels[i] == result.pixels[i + 1] &&
                  result.pixels[i] == result.pixels[i + 2]);
    }
  }
}

TEST(Repaint, RandAugmentTakesAllChangesBothWays) {
  const Image image = noise_image(31, 29, 3);
  std::set<std::pair<int, bool>> seen;
  std::map<int, int> times;
  constexpr int count = 1400;
  for (int id = 0; id < count; ++id) {
    Random draws(8, RandomUse::rand_augment, id, 3);
    const auto which = static_cast<Augmentation>(draws.below(augmentations));
    const bool down = is_signed(which) && draws.below(2) == 1;
    Image expected = image, scratch;
    const double strength = strength_of(which, rand_augment_strongest, 12, 31, 31, 29);
    augment(expected, which, down ? -strength : strength, scratch);
    ASSERT_EQ(painted(RandAugment{.ops = 1, .magnitude = 12}, image, id), expected) << id;
    seen.insert({static_cast<int>(which), down});
    ++times[static_cast<int>(which)];
  }
  EXPECT_EQ(seen.size(), 14u + 9u);
  for (const auto& [which, n] : times) EXPECT_NEAR(n, count / 14, 45) << which;
}

TEST(Repaint, TrivialAugmentTakesAllStrengths) {
  const Image image = noise_image(40, 45, 3);
  std::set<std::pair<int, int>> seen;
  for (int id = 0; id < 3000; ++id) {
    Random draws(8, RandomUse::trivial_augment, id, 3);
    const auto which = static_cast<Augmentation>(draws.below(augmentations));
    const auto magnitude = static_cast<int>(draws.below(31));
    const bool down = is_signed(which) && draws.below(2) == 1;
    seen.insert({static_cast<int>(which), magnitude});
    if (id % 10 != 0) continue;
    Image expected = image, scratch;
    const double strength = strength_of(which, trivial_augment_strongest, magnitude, 31, 40, 45);
    augment(expected, which, down ? -strength : strength, scratch);
    ASSERT_EQ(painted(TrivialAugment{}, image, id), expected) << id;
  }
  EXPECT_GT(seen.size(), 14u * 31 - 5);
}

TEST(Repaint, AffineDrawsStayInTheirRanges) {
  std::set<int> shifts;
  double steepest = 0, widest = 0;
  for (std::uint64_t id = 0; id < 2000; ++id) {
    Random draws(1, RandomUse::affine, id);
    const AffineMatrix shifted = draw(RandomAffine{.translate_x = 0.1f}, 40, 60, draws);
    EXPECT_EQ(shifted[0], 1);
    EXPECT_EQ(shifted[5], 0);
    shifts.insert(static_cast<int>(shifted[2]));
    Random turns(2, RandomUse::affine, id);
    const AffineMatrix turned = draw(RandomRotation{.degrees = 30}, 40, 60, turns);
    steepest = std::max(steepest, std::abs(turned[1]));
    Random scales(3, RandomUse::affine, id);
    const AffineMatrix scaled = draw(RandomAffine{.min_scale = 0.5f, .max_scale = 2}, 4, 6, scales);
    EXPECT_TRUE(scaled[0] >= 0.5 && scaled[0] <= 2) << scaled[0];
    widest = std::max(widest, scaled[0]);
  }
  EXPECT_EQ(shifts.size(), 13u);  // -6 to 6
  EXPECT_NEAR(steepest, 0.5, 0.01);
  EXPECT_NEAR(widest, 2, 0.05);
}

// The same everywhere in an image; of the spread that the three directions add up to.
TEST(Repaint, LightingShiftsWholeChannels) {
  TransformScratch scratch;
  const Pipeline pipeline{.transforms = {Lighting{0.1f}}};
  std::array<double, 3> squares{};
  constexpr int count = 4000;
  for (int id = 0; id < count; ++id) {
    const std::vector<float> out = floats_of(pipeline, flat_image(2, 2, 51), id, scratch);
    for (int c = 0; c < 3; ++c) {
      EXPECT_EQ(out[4 * c], out[4 * c + 3]);
      squares[c] += (out[4 * c] - 0.2) * (out[4 * c] - 0.2) / count;
    }
  }
  const double spread[3] = {0.01242, 0.01264, 0.01276};  // roots of sums of squares
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(std::sqrt(squares[c]), spread[c], 0.0006);
}

TEST(Repaint, ErasingBlanksABox) {
  TransformScratch scratch;
  const Pipeline pipeline{.transforms = {RandomErasing{.value = 5}}, .normalize = identity};
  const Image image = flat_image(40, 30, 100);
  int erased = 0;
  double least = 1, most = 0, flattest = 10, tallest = 0;
  constexpr int count = 2000;
  for (int id = 0; id < count; ++id) {
    const Image result = painted(pipeline, image, id, scratch);
    int top = 40, bottom = 0, left = 30, right = 0, holes = 0;
    for (int i = 0; i < 40 * 30; ++i) {
      if (result.pixels[3 * i] == 100) continue;
      ASSERT_EQ(result.pixels[3 * i], 5);
      ++holes;
      top = std::min(top, i / 30);
      bottom = std::max(bottom, i / 30 + 1);
      left = std::min(left, i % 30);
      right = std::max(right, i % 30 + 1);
    }
    if (holes == 0) continue;
    ++erased;
    ASSERT_EQ(holes, (bottom - top) * (right - left));
    least = std::min(least, holes / 1200.0);
    most = std::max(most, holes / 1200.0);
    const double ratio = double(bottom - top) / (right - left);
    flattest = std::min(flattest, ratio);
    tallest = std::max(tallest, ratio);
  }
  EXPECT_NEAR(erased, count / 2, 80);
  EXPECT_NEAR(least, 0.02, 0.005);
  EXPECT_NEAR(most, 0.33, 0.02);
  EXPECT_NEAR(flattest, 0.3, 0.08);
  EXPECT_NEAR(tallest, 3.3, 0.5);
}

// In the box that a value would fill; the same noise for the same draw.
TEST(Repaint, ErasingFillsABoxWithNormalNoise) {
  TransformScratch scratch;
  const Image image = flat_image(40, 30, 100);
  double sum = 0, squares = 0;
  std::set<float> values;
  int count = 0;
  for (int id = 0; id < 200; ++id) {
    const std::vector<float> flat = floats_of(
        {.transforms = {RandomErasing{.value = -500}}, .normalize = identity}, image, id, scratch);
    const Pipeline noisy{.transforms = {RandomErasing{.noise = true}}, .normalize = identity};
    const std::vector<float> noise = floats_of(noisy, image, id, scratch);
    EXPECT_EQ(noise, floats_of(noisy, image, id, scratch));
    const float kept = *std::ranges::max_element(flat);
    for (std::size_t i = 0; i < flat.size(); ++i) {
      ASSERT_EQ(flat[i] == -500, noise[i] != kept);
      if (flat[i] != -500) continue;
      ++count;
      sum += noise[i];
      squares += double{noise[i]} * noise[i];
      values.insert(noise[i]);
    }
  }
  EXPECT_NEAR(sum / count, 0, 0.02);
  EXPECT_NEAR(squares / count, 1, 0.02);
  EXPECT_GT(values.size(), count * 0.9);
}

TEST(Repaint, ScratchOfOneImageDoesNotShowInTheNext) {
  const Pipeline pipeline{.transforms = {RandomAffine{20, 0.2f, 0.2f}, RandAugment{},
                                         ColorJitter{0.4f, 0.4f, 0.4f, 0.1f}, VerticalFlip{},
                                         CenterCrop{16}, Lighting{}, RandomErasing{}},
                          .normalize = identity};
  TransformScratch used;
  for (int id = 0; id < 40; ++id) {
    const Image image = noise_image(10 + id % 7, 20 - id % 5, id % 3 == 0 ? 1 : 3, id);
    TransformScratch fresh;
    EXPECT_EQ(painted(pipeline, image, id, used), painted(pipeline, image, id, fresh));
  }
}

TEST(Repaint, RefusesWhatMakesNoSense) {
  const auto error_of = [](const Pipeline& pipeline) {
    try {
      pipeline.output_shape(8, 8);
      return std::string("no error");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::config);
      return std::string(error.what());
    }
  };
  EXPECT_EQ(error_of({.transforms = {RandAugment{.magnitude = 31}}}),
            "RandAugment: magnitude is 31 of 31 bins, from 0 and below their number expected");
  EXPECT_EQ(error_of({.transforms = {Lighting{}}, .channels = 1}),
            "lighting: shifts normalised colours, but images are grey or bytes");
  EXPECT_EQ(
      error_of({.transforms = {RandomErasing{}, ColorJitter{}}}),
      "transforms: change pixels after lighting, cutout or erasing, expected those behind all "
      "others");
  EXPECT_NE(error_of({.transforms = {ColorJitter{.hue = 0.6f}}}), "no error");
  EXPECT_NE(error_of({.transforms = {RandomAffine{.min_scale = 2}}}), "no error");
  EXPECT_NE(error_of({.transforms = {RandomAffine{.shear_x = 90}}}), "no error");
  EXPECT_NE(error_of({.transforms = {RandomErasing{.min_area = 0.5f}}}), "no error");
  EXPECT_NE(error_of({.transforms = {RandomGrayscale{2}}}), "no error");
  EXPECT_NE(error_of({.transforms = {RandomRotation{-1}}}), "no error");
  EXPECT_EQ(error_of({.transforms = {RandomErasing{}, Lighting{}, Cutout{}}}), "no error");
}

}  // namespace
}  // namespace convoy
