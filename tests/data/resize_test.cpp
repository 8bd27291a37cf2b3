// Resize: Pillow's own published values, and checksums of Pillow 12's results on noise.
#include "data/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/data/images.h"

namespace convoy {
namespace {

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

struct Window {
  int begin, end;
};

// Rows `rows` and columns `columns` of what `image` becomes, the columns perhaps reversed, from no
// more pixels than that takes.
Image part_of_resized(const Image& image, int height, int width, Window rows, Window columns,
                      bool reversed, const ResizeKernels& kernels) {
  ResizeScratch scratch;
  scratch.rows.compute(image.height, height, rows.begin, rows.end, false);
  scratch.columns.compute(image.width, width, columns.begin, columns.end, reversed);
  const Rect needed{scratch.rows.source_begin, scratch.columns.source_begin,
                    scratch.rows.source_end - scratch.rows.source_begin,
                    scratch.columns.source_end - scratch.columns.source_begin};
  Image copy;  // so that the address sanitizer sees whatever is read beyond
  copy.reshape(needed.height, needed.width, image.channels);
  for (int y = 0; y < needed.height; ++y) {
    std::copy_n(part_of(view_of(image), needed).at(y, 0), needed.width * image.channels,
                copy.pixels.data() + y * needed.width * image.channels);
  }
  Image result;
  result.reshape(rows.end - rows.begin, columns.end - columns.begin, image.channels);
  ResizedRows resized_rows(view_of(copy), scratch, kernels);
  for (int y = 0; y < result.height; ++y) {
    std::copy_n(resized_rows.row(y), result.width * image.channels,
                result.pixels.data() + y * result.width * image.channels);
  }
  return result;
}

Image cut(const Image& image, Window rows, Window columns, bool reversed) {
  Image result;
  result.reshape(rows.end - rows.begin, columns.end - columns.begin, image.channels);
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      const int from = reversed ? columns.end - 1 - x : columns.begin + x;
      std::copy_n(view_of(image).at(rows.begin + y, from), image.channels,
                  result.pixels.data() + (y * result.width + x) * image.channels);
    }
  }
  return result;
}

// Of each instruction set that this machine has; the first is plain C++.
TEST(ResizeKernels, GiveTheSameBitsForEveryPart) {
  std::mt19937 random(1);
  const auto up_to = [&](int most) { return 1 + static_cast<int>(random() % most); };
  const auto window = [&](int size) {
    const int begin = static_cast<int>(random() % size);
    return Window{begin, begin + up_to(size - begin)};
  };
  const auto kernels = resize_kernels();
  for (int i = 0; i < 400; ++i) {
    const int channels = i % 3 == 0 ? 1 : 3;
    // Some reduced by more than the 64 taps or bytes that one instruction takes.
    const Image image = noise_image(up_to(i % 10 == 0 ? 400 : 90), up_to(i % 10 == 1 ? 900 : 90),
                                    channels, static_cast<std::uint32_t>(i));
    const int height = i % 7 == 0 ? image.height : up_to(i % 10 == 0 ? 5 : 120);
    const int width = i % 5 == 0 ? image.width : up_to(i % 10 == 1 ? 9 : 120);
    const Window rows = window(height), columns = window(width);
    const bool reversed = i % 2 == 0;
    ResizeScratch scratch;
    Image whole;
    resize_bilinear(view_of(image), height, width, scratch, whole);
    const Image expected = cut(whole, rows, columns, reversed);
    for (std::size_t k = 0; k < kernels.size(); ++k) {
      ASSERT_EQ(part_of_resized(image, height, width, rows, columns, reversed, *kernels[k]),
                expected)
          << "kernel " << k << ", " << image.height << "x" << image.width << "x" << channels
          << " to " << height << "x" << width << (reversed ? " reversed" : "");
    }
  }
}

TEST(ResizeKernels, EqualPillowOnNoise) {
  const Image image = noise_image(375, 500, 3);
  for (const ResizeKernels* kernels : resize_kernels()) {
    const Image result =
        part_of_resized(image, 224, 299, {0, 224}, {0, 299}, /*reversed=*/false, *kernels);
    EXPECT_EQ(crc32c_of(result), 0xEFA93144u);
  }
}

}  // namespace
}  // namespace convoy
