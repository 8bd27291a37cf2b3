// Resize: Pillow's own published values, and checksums of Pillow 12's results on noise.
#include "data/resize.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/data/images.h"

namespace convoy {
namespace {

PixelView view_of(const Image& image) {
  return {image.pixels.data(), image.height, image.width, image.channels,
          std::ptrdiff_t(image.width) * image.channels};
}

Image resized(const Image& image, int height, int width) {
  ResizeScratch scratch;
  Image result;
  resize_bilinear(view_of(image), height, width, scratch, result);
  return result;
}

// Two dark and two bright squares, as in Pillow's test_image_resample.py.
Image squares(int size, std::uint8_t colour) {
  Image image;
  image.reshape(size, size, 1);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const bool bright = (y < size / 2) == (x < size / 2);
      image.pixels[y * size + x] = bright ? colour : static_cast<std::uint8_t>(255 - colour);
    }
  }
  return image;
}

// The upper left quarter, from which the others follow by symmetry.
void expect_quarter(const Image& image, const std::vector<int>& quarter) {
  const int half = image.width / 2;
  for (int y = 0; y < half; ++y) {
    for (int x = 0; x < half; ++x) {
      const int value = quarter[y * half + x];
      const int right = image.width - 1 - x;
      const int below = image.width - 1 - y;
      EXPECT_EQ(image.pixels[y * image.width + x], value);
      EXPECT_EQ(image.pixels[below * image.width + right], value);
      EXPECT_EQ(image.pixels[y * image.width + right], 255 - value);
      EXPECT_EQ(image.pixels[below * image.width + x], 255 - value);
    }
  }
}

TEST(Resize, PillowsPublishedValues) {
  expect_quarter(resized(squares(8, 0xE1), 4, 4), {0xE1, 0xC9, 0xC9, 0xB7});
  expect_quarter(resized(squares(2, 0xE1), 4, 4), {0xE1, 0xB0, 0xB0, 0x98});
}

struct Case {
  int height, width, channels, new_height, new_width;
  std::uint32_t crc;  // of Pillow's result on noise_image()
};

TEST(Resize, EqualsPillowOnNoise) {
  const Case cases[] = {
      {8, 8, 1, 4, 4, 0xADDBB3A1},         {37, 53, 3, 20, 31, 0x5368D1C1},
      {37, 53, 3, 64, 64, 0x2F533302},     {50, 50, 3, 20, 77, 0xCBD83445},
      {375, 500, 3, 224, 299, 0xEFA93144}, {1, 9, 3, 5, 4, 0x95A1E231},
      {28, 28, 1, 32, 32, 0x12996783},     {33, 33, 3, 33, 17, 0x523E4BFB},
      {33, 33, 1, 17, 33, 0x7827F3C3},
  };
  ResizeScratch scratch;  // one for all: taps of one size must not serve another
  Image result;
  for (const Case& c : cases) {
    const Image image = noise_image(c.height, c.width, c.channels);
    resize_bilinear(view_of(image), c.new_height, c.new_width, scratch, result);
    EXPECT_EQ(crc32c_of(result), c.crc)
        << c.height << "x" << c.width << " to " << c.new_height << "x" << c.new_width;
  }
}

TEST(Resize, SameSizeCopies) {
  const Image image = noise_image(7, 9, 3);
  EXPECT_EQ(resized(image, 7, 9), image);
}

TEST(Resize, FlatStaysFlat) {
  for (const int value : {0, 1, 127, 254, 255}) {
    Image image;
    image.reshape(41, 29, 3);
    std::fill(image.pixels.begin(), image.pixels.end(), static_cast<std::uint8_t>(value));
    for (const auto& [height, width] : {std::pair{1, 1}, {7, 100}, {100, 7}, {40, 28}}) {
      for (const std::uint8_t pixel : resized(image, height, width).pixels) {
        ASSERT_EQ(pixel, value);
      }
    }
  }
}

TEST(Resize, ManyTapsDoNotOverflow) {
  Image image;
  image.reshape(1, 60000, 3);
  std::fill(image.pixels.begin(), image.pixels.end(), std::uint8_t{255});
  for (const std::uint8_t pixel : resized(image, 1, 1).pixels) EXPECT_EQ(pixel, 255);
}

// Taps clamp at the part's border, whatever lies beyond.
TEST(Resize, PartOfAnImageEqualsItsCopy) {
  const Image image = noise_image(40, 50, 3);
  const PixelView part{image.pixels.data() + (5 * 50 + 7) * 3, 21, 33, 3, 50 * 3};
  Image copy;
  copy.reshape(21, 33, 3);
  for (int y = 0; y < 21; ++y) {
    std::copy_n(part.pixels + y * part.stride, 33 * 3, copy.pixels.data() + y * 33 * 3);
  }
  ResizeScratch scratch;
  for (const auto& [height, width] : {std::pair{10, 10}, {21, 12}, {60, 33}, {21, 33}}) {
    Image result;
    resize_bilinear(part, height, width, scratch, result);
    EXPECT_EQ(result, resized(copy, height, width));
  }
}

}  // namespace
}  // namespace convoy
