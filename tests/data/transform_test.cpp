// Transforms: torchvision's geometry, exact values, every format.
#include "data/transform.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>

#include "data/jpeg.h"
#include "ops/core/check.h"
#include "tests/data/images.h"
#include "tests/data/transform_run.h"

namespace convoy {
namespace {

using namespace test;

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
