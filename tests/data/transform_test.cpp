// Transforms: torchvision's geometry, random draws that depend on the key alone, exact values.
#include "data/transform.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>

#include "data/jpeg.h"
#include "ops/core/check.h"
#include "tests/data/images.h"

namespace convoy {
namespace {

// Pixel values come through unchanged.
constexpr Normalize identity{{0, 0, 0}, {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}};

struct Result {
  Shape shape;
  std::vector<float> values;
  int at(int c, int y, int x) const {
    return static_cast<int>(std::lround(values[(c * shape[1] + y) * shape[2] + x]));
  }
};

Result run(const Pipeline& pipeline, const Image& image, const DrawKey& key = {}) {
  TransformScratch scratch;
  const Shape shape = pipeline.output_shape(image.height, image.width);
  Result result{shape, std::vector<float>(shape.elements(), -1e9f)};
  PixelsInMemory source(view_of(image));
  apply(pipeline, source, key, "here", shape, scratch,
        std::as_writable_bytes(std::span(result.values)));
  return result;
}

// Value of pixel (y, x), channel c: 10 y + x + 100 c.
Image ramp(int height, int width, int channels) {
  Image image;
  image.reshape(height, width, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.pixels[(y * width + x) * channels + c] =
            static_cast<std::uint8_t>(10 * y + x + 100 * c);
      }
    }
  }
  return image;
}

TEST(Transform, NormalisesInFloat32) {
  const Image image = noise_image(6, 5, 3);
  Pipeline pipeline;
  pipeline.normalize = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};
  const Result result = run(pipeline, image);
  EXPECT_EQ(result.shape, (Shape{3, 6, 5}));
  for (int i = 0; i < 30; ++i) {
    for (int c = 0; c < 3; ++c) {
      const float scaled = static_cast<float>(image.pixels[i * 3 + c]) / 255.0f;
      const float expected = (scaled - pipeline.normalize.mean[c]) / pipeline.normalize.std[c];
      EXPECT_EQ(result.values[c * 30 + i], expected);
    }
  }
}

TEST(Transform, ScratchServesAnotherNormalisation) {
  TransformScratch scratch;
  Pipeline pipeline;
  std::vector<float> out(1);
  pipeline.channels = 1;
  for (const float mean : {0.0f, 0.5f}) {
    const Image image = ramp(1, 1, 1);
    PixelsInMemory source(view_of(image));
    pipeline.normalize.mean[0] = mean;
    apply(pipeline, source, {}, "", Shape{1, 1, 1}, scratch,
          std::as_writable_bytes(std::span(out)));
    EXPECT_EQ(out[0], -mean);
  }
}

TEST(Transform, GreyIsRepeated) {
  const Result result = run({.transforms = {}, .normalize = identity}, ramp(3, 4, 1));
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < 3; ++y) {
      for (int x = 0; x < 4; ++x) EXPECT_EQ(result.at(c, y, x), 10 * y + x);
    }
  }
}

TEST(Transform, ColourBecomesPillowsGrey) {
  const Result result =
      run({.transforms = {}, .normalize = identity, .channels = 1}, noise_image(5, 7, 3));
  EXPECT_EQ(result.shape, (Shape{1, 5, 7}));
  Image grey;
  grey.reshape(5, 7, 1);
  for (int i = 0; i < 35; ++i) {
    grey.pixels[i] = static_cast<std::uint8_t>(result.at(0, i / 7, i % 7));
  }
  EXPECT_EQ(crc32c_of(grey), 0x6F5B58A0u);  // of Pillow's convert("L")
}

TEST(Transform, ResizeTruncatesTheLongerSide) {
  const auto size = [](int height, int width) {
    return Pipeline{.transforms = {Resize{10}}}.output_shape(height, width);
  };
  EXPECT_EQ(size(20, 39), (Shape{3, 10, 19}));
  EXPECT_EQ(size(39, 20), (Shape{3, 19, 10}));
  EXPECT_EQ(size(7, 7), (Shape{3, 10, 10}));
}

TEST(Transform, ResizeEqualsResizeOfTheVisiblePart) {
  const Image image = noise_image(40, 50, 3);
  const Result result =
      run({.transforms = {CenterCrop{30}, ResizeExact{11, 13}}, .normalize = identity}, image);
  ResizeScratch scratch;
  Image expected;
  resize_bilinear({image.pixels.data() + (5 * 50 + 10) * 3, 30, 30, 3, 150}, 11, 13, scratch,
                  expected);
  for (int i = 0; i < 11 * 13; ++i) {
    EXPECT_EQ(result.at(1, i / 13, i % 13), expected.pixels[i * 3 + 1]);
  }
}

// Odd surpluses: 1 -> 0.5 -> 0, 3 -> 1.5 -> 2, 5 -> 2.5 -> 2, 7 -> 3.5 -> 4 as Python rounds.
TEST(Transform, CentreCropRoundsHalvesToEven) {
  for (const auto& [width, left] : {std::pair{5, 0}, {7, 2}, {9, 2}, {11, 4}, {8, 2}, {4, 0}}) {
    const Result result =
        run({.transforms = {CenterCrop{4}}, .normalize = identity}, ramp(4, width, 1));
    EXPECT_EQ(result.at(0, 0, 0), left) << width;
    EXPECT_EQ(result.at(2, 3, 3), 30 + left + 3) << width;
  }
}

TEST(Transform, CentreCropPadsSmallImages) {
  const Result result = run({.transforms = {CenterCrop{6}}, .normalize = identity}, ramp(3, 9, 1));
  // Rows: 1 zero above, 2 below. Columns: surplus 3 -> begins at 2.
  for (int y = 0; y < 6; ++y) {
    for (int x = 0; x < 6; ++x) {
      EXPECT_EQ(result.at(0, y, x), y >= 1 && y < 4 ? 10 * (y - 1) + x + 2 : 0);
    }
  }
}

TEST(Transform, FlipReversesRows) {
  const Pipeline pipeline{.transforms = {HorizontalFlip{1}}, .normalize = identity};
  for (const int channels : {1, 3}) {
    const Result result = run(pipeline, ramp(3, 4, channels));
    for (int y = 0; y < 3; ++y) {
      for (int x = 0; x < 4; ++x) {
        EXPECT_EQ(result.at(2, y, x), 10 * y + (3 - x) + (channels == 3 ? 200 : 0));
      }
    }
  }
  const Pipeline twice{.transforms = {HorizontalFlip{1}, HorizontalFlip{1}}, .normalize = identity};
  EXPECT_EQ(run(twice, ramp(3, 4, 3)).values, run({.normalize = identity}, ramp(3, 4, 3)).values);
}

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

// By hand, and as torchvision.transforms.Pad(2, padding_mode=...) does it.
TEST(Transform, PadShowsZerosTheNearestPixelsOrTheImageMirrored) {
  const std::map<PadMode, std::vector<float>> rows = {
      {PadMode::constant, {0, 0, 1, 2, 3, 4, 0, 0}},
      {PadMode::edge, {1, 1, 1, 2, 3, 4, 4, 4}},
      {PadMode::reflect, {3, 2, 1, 2, 3, 4, 3, 2}},
      {PadMode::symmetric, {2, 1, 1, 2, 3, 4, 4, 3}}};
  const std::map<PadMode, std::vector<int>> sources = {{PadMode::edge, {0, 0, 0, 1, 2, 2, 2}},
                                                       {PadMode::reflect, {2, 1, 0, 1, 2, 1, 0}},
                                                       {PadMode::symmetric, {1, 0, 0, 1, 2, 2, 1}}};
  for (const int channels : {1, 3}) {
    Image image = ramp(3, 4, channels);
    for (std::uint8_t& value : image.pixels) value += 1;
    for (const auto& [mode, row] : rows) {
      const Result result = run({.transforms = {Pad{2, mode}}, .normalize = identity}, image);
      ASSERT_EQ(result.shape, (Shape{3, 7, 8}));
      for (int y = 0; y < 7; ++y) {
        for (int x = 0; x < 8; ++x) {
          const bool outside = mode == PadMode::constant && (y < 2 || y > 4 || row[x] == 0);
          const int from = mode == PadMode::constant ? y - 2 : sources.at(mode)[y];
          const int colour = channels == 3 ? 100 : 0;
          EXPECT_EQ(result.at(1, y, x), outside ? 0 : row[x] + 10.0f * from + colour)
              << "mode " << static_cast<int>(mode) << " at " << y << ", " << x;
        }
      }
      // What is cut from it, and from what was flipped before, is the same as in one go.
      const auto values = [&, &image = image](std::vector<Transform> transforms) {
        return run({.transforms = std::move(transforms), .normalize = identity}, image).values;
      };
      EXPECT_EQ(values({HorizontalFlip{1}, Pad{2, mode}}),
                values({Pad{2, mode}, HorizontalFlip{1}}));
      EXPECT_EQ(values({Pad{2, mode}, PadAndCrop{4, 0}}), values({PadAndCrop{4, 2, mode}}));
    }
  }
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

// From encoded bytes: a part of them, all of them, and pixels in memory give the same.
TEST(Transform, WhatIsNotSeenNeedNotBeDecoded) {
  const std::vector<Pipeline> pipelines{
      {.transforms = {RandomResizedCrop{.size = 40}, HorizontalFlip{}}},
      {.transforms = {Resize{70}, CenterCrop{48}}},
      {.transforms = {HorizontalFlip{}, CenterCrop{60}, ResizeExact{20, 90}, CenterCrop{30}}},
      {.transforms = {PadAndCrop{140, 20}, HorizontalFlip{}}},
      {.transforms = {ResizeExact{50, 60}, HorizontalFlip{}, Resize{33}, PadAndCrop{36, 4}}},
      {.transforms = {CenterCrop{90}, PadAndCrop{80, 9, PadMode::reflect}, Pad{3}}},
      {.transforms = {RandomResizedCrop{.size = 24}}, .channels = 1},
  };
  for (const int channels : {1, 3}) {
    const auto bytes = encode_jpeg(noise_image(131, 177, channels), 70);
    ImageDecoder decoder;
    Image whole;
    decoder.decode(bytes, "", whole);
    for (std::uint64_t i = 0; i < 20 * pipelines.size(); ++i) {
      Pipeline pipeline = pipelines[i % pipelines.size()];
      const Result expected = run(pipeline, whole, {.sample_id = i});
      for (const bool partial : {true, false}) {
        pipeline.partial_decode = partial;
        TransformScratch scratch;
        std::vector<float> values(expected.values.size());
        decoder.open(bytes, "");
        apply(pipeline, decoder, {.sample_id = i}, "", expected.shape, scratch,
              std::as_writable_bytes(std::span(values)));
        EXPECT_EQ(values, expected.values) << "pipeline " << i % pipelines.size();
      }
    }
  }
}

// As floats in planes they are tested above; the others follow from those, value by value.
TEST(Transform, WritesEveryFormat) {
  const Image image = noise_image(11, 13, 3);
  Pipeline pipeline{.transforms = {CenterCrop{12}, HorizontalFlip{1}, Cutout{3}},
                    .normalize = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}}};
  const Result planes = run(pipeline, image);
  const Shape shape = planes.shape;
  TransformScratch scratch;
  for (const PixelType type : {PixelType::f32, PixelType::bf16, PixelType::u8}) {
    for (const bool interleaved : {false, true}) {
      pipeline.format = {type, interleaved};
      std::vector<std::byte> out(shape.elements() * size_of(type));
      PixelsInMemory source(view_of(image));
      apply(pipeline, source, {}, "", shape, scratch, out);
      for (int i = 0; i < shape.elements(); ++i) {
        const int c = i / 144, at = interleaved ? i % 144 * 3 + c : i;
        const float value = planes.values[i];
        if (type == PixelType::u8) {
          const float pixel =
              (value * pipeline.normalize.std[c] + pipeline.normalize.mean[c]) * 255;
          EXPECT_EQ(std::to_integer<int>(out[at]), std::lround(pixel));
        } else if (type == PixelType::f32) {
          EXPECT_EQ(reinterpret_cast<const float*>(out.data())[at], value);
        } else {  // the nearest of the numbers with eight significant bits
          const std::uint32_t bits = reinterpret_cast<const std::uint16_t*>(out.data())[at] << 16;
          EXPECT_NEAR(std::bit_cast<float>(bits), value, std::abs(value) / 256);
        }
      }
    }
  }
}

// A flip before a crop, and a crop of a padded crop, equal the same done step by step on pixels.
TEST(Transform, WindowsCompose) {
  const Image image = ramp(6, 8, 1);
  const Result result =
      run({.transforms = {HorizontalFlip{1}, CenterCrop{4}, CenterCrop{7}}, .normalize = identity},
          image);
  // Flipped, then columns 2..5 of rows 1..4, then padded by 1 in front and 2 behind.
  for (int y = 0; y < 7; ++y) {
    for (int x = 0; x < 7; ++x) {
      const bool inside = y >= 1 && y < 5 && x >= 1 && x < 5;
      EXPECT_EQ(result.at(0, y, x), inside ? 10 * y + (7 - (x + 1)) : 0) << y << " " << x;
    }
  }
}

// Resizing a flipped or padded window resizes exactly the pixels it shows.
TEST(Transform, ResizeOfAFlippedPaddedWindow) {
  const Image image = noise_image(9, 9, 3);
  const Result shown =
      run({.transforms = {HorizontalFlip{1}, CenterCrop{12}}, .normalize = identity}, image);
  Image copy;
  copy.reshape(12, 12, 3);
  for (int i = 0; i < 12 * 12 * 3; ++i) {
    copy.pixels[i] = static_cast<std::uint8_t>(shown.at(i % 3, i / 36, i / 3 % 12));
  }
  ResizeScratch scratch;
  Image expected;
  resize_bilinear({copy.pixels.data(), 12, 12, 3, 36}, 7, 20, scratch, expected);
  const Result result = run({.transforms = {HorizontalFlip{1}, CenterCrop{12}, ResizeExact{7, 20}},
                             .normalize = identity},
                            image);
  for (int i = 0; i < 7 * 20 * 3; ++i) {
    ASSERT_EQ(result.at(i % 3, i / 60, i / 3 % 20), expected.pixels[i]);
  }
}

TEST(Transform, OutputShapeNeedsAFixedSize) {
  EXPECT_EQ((Pipeline{.transforms = {Resize{256}, CenterCrop{224}}}.output_shape(0, 0)),
            (Shape{3, 224, 224}));
  EXPECT_EQ((Pipeline{.transforms = {HorizontalFlip{}}, .channels = 1}.output_shape(28, 28)),
            (Shape{1, 28, 28}));
  const auto error_of = [](const Pipeline& pipeline, int height, int width) {
    try {
      pipeline.output_shape(height, width);
      return std::string("no error");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::config);
      return std::string(error.what());
    }
  };
  EXPECT_EQ(error_of({.transforms = {Resize{256}}}, 0, 0),
            "transforms: leave images of different sizes; expected one that fixes it, such as a "
            "crop");
  EXPECT_NE(error_of({.transforms = {CenterCrop{0}}}, 0, 0), "no error");
  EXPECT_NE(error_of({.transforms = {PadAndCrop{32, -1}}}, 0, 0), "no error");
  EXPECT_NE(error_of({.transforms = {PadAndCrop{32, 33}}}, 0, 0), "no error");
  EXPECT_NE(error_of({.transforms = {Pad{-1}}}, 8, 8), "no error");
  EXPECT_NE(error_of({.transforms = {HorizontalFlip{1.5f}}}, 8, 8), "no error");
  EXPECT_NE(error_of({.channels = 2}, 8, 8), "no error");
  EXPECT_NE(error_of({.transforms = {ResizeExact{100000, 100000}}}, 8, 8), "no error");
  EXPECT_NE(error_of({.normalize = {{0, 0, 0}, {1, 0, 1}}}, 8, 8), "no error");
}

TEST(Transform, WrongSizesNameTheImage) {
  const auto error_of = [](const Pipeline& pipeline, const Image& image) {
    TransformScratch scratch;
    std::vector<float> out(3 * 8 * 8);
    PixelsInMemory source(view_of(image));
    try {
      apply(pipeline, source, {}, "shard[5] (cat.jpg)", Shape{3, 8, 8}, scratch,
            std::as_writable_bytes(std::span(out)));
      return std::string("no error");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data);
      return std::string(error.what());
    }
  };
  EXPECT_EQ(error_of({}, ramp(7, 8, 3)),
            "shard[5] (cat.jpg): is 7 x 8 pixels after all transforms, 8 x 8 expected");
  EXPECT_EQ(error_of({.transforms = {PadAndCrop{8, 1}}}, ramp(5, 8, 3)),
            "shard[5] (cat.jpg): 5 x 8 pixels padded by 1 are smaller than the crop of 8");
  EXPECT_EQ(
      error_of({.transforms = {PadAndCrop{8, 5, PadMode::reflect}}}, ramp(5, 8, 3)),
      "shard[5] (cat.jpg): is 5 x 8 pixels, at least 6 each way expected to mirror 5 of them");
  EXPECT_EQ(
      error_of({.transforms = {Pad{6, PadMode::symmetric}}}, ramp(5, 8, 3)),
      "shard[5] (cat.jpg): is 5 x 8 pixels, at least 6 each way expected to mirror 6 of them");
  EXPECT_NE(error_of({.transforms = {Resize{1000}, CenterCrop{8}}}, ramp(1, 60000, 1)), "no error");
}

}  // namespace
}  // namespace convoy
