// A part of a JPEG image has the bits that it has in the whole: over all ways to sample chroma,
// offsets, sizes, odd dimensions, grey, progressive files and files of several scans.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>

#include "data/jpeg.h"
#include "data/libjpeg.h"
#include "ops/core/check.h"
#include "tests/data/images.h"

namespace convoy {
namespace {

enum class Scans { one, progressive, one_per_component };

struct Sampling {
  const char* name;
  int channels;
  int horizontal, vertical;  // of the first component; all others have 1
};

constexpr std::array samplings{
    Sampling{"4:4:4", 3, 1, 1}, Sampling{"4:2:2", 3, 2, 1}, Sampling{"4:2:0", 3, 2, 2},
    Sampling{"4:4:0", 3, 1, 2}, Sampling{"4:1:1", 3, 4, 1}, Sampling{"4:1:0", 3, 4, 2},
    Sampling{"3:1:1", 3, 3, 1}, Sampling{"grey", 1, 1, 1},  Sampling{"grey 2x2", 1, 2, 2},
};

// Smooth colours under noise, so that neighbours matter and no two places look alike.
Image picture(int height, int width, int channels) {
  Image image = noise_image(height, width, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        std::uint8_t& value = image.pixels[(y * width + x) * channels + c];
        value = static_cast<std::uint8_t>(value / 4 + (c == 1 ? 5 * y : 3 * x + 2 * y) % 190);
      }
    }
  }
  return image;
}

std::vector<std::byte> encode(const Image& image, const Sampling& sampling, Scans scans,
                              int restart_rows = 0) {
  jpeg_compress_struct codec{};
  JpegErrors errors{};
  codec.err = install(errors);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  // One scan per component, each with all coefficients.
  std::array<jpeg_scan_info, 3> separate{};
  for (int c = 0; c < 3; ++c) {
    separate[c].comps_in_scan = 1;
    separate[c].component_index[0] = c;
    separate[c].Se = 63;
  }
  const bool encoded = guarded(errors, [&] {
    jpeg_create_compress(&codec);
    jpeg_mem_dest(&codec, &buffer, &size);
    codec.image_height = static_cast<JDIMENSION>(image.height);
    codec.image_width = static_cast<JDIMENSION>(image.width);
    codec.input_components = image.channels;
    codec.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&codec);
    jpeg_set_quality(&codec, 85, TRUE);
    codec.comp_info[0].h_samp_factor = sampling.horizontal;
    codec.comp_info[0].v_samp_factor = sampling.vertical;
    codec.restart_in_rows = restart_rows;
    if (scans == Scans::progressive) jpeg_simple_progression(&codec);
    if (scans == Scans::one_per_component) {
      codec.scan_info = separate.data();
      codec.num_scans = image.channels;
    }
    jpeg_start_compress(&codec, TRUE);
    const std::size_t stride = std::size_t(image.width) * image.channels;
    while (codec.next_scanline < codec.image_height) {
      auto* row = const_cast<JSAMPROW>(image.pixels.data() + codec.next_scanline * stride);
      jpeg_write_scanlines(&codec, &row, 1);
    }
    jpeg_finish_compress(&codec);
  });
  jpeg_destroy_compress(&codec);
  EXPECT_TRUE(encoded) << errors.message.data();
  const auto* bytes = reinterpret_cast<const std::byte*>(buffer);
  std::vector<std::byte> result(bytes, bytes + size);
  std::free(buffer);
  return result;
}

// Where `view` differs from `part` of `whole`: "" if nowhere.
std::string difference(const PixelView& view, const Image& whole, const Rect& part) {
  if (view.height != part.height || view.width != part.width || view.channels != whole.channels) {
    return "size";
  }
  for (int y = 0; y < part.height; ++y) {
    const std::uint8_t* expected = view_of(whole).at(part.top + y, part.left);
    const std::uint8_t* row = view.at(y, 0);
    const int bytes = part.width * whole.channels;
    const auto [at, other] = std::mismatch(row, row + bytes, expected);
    if (at != row + bytes) return fmt::format("row {}, byte {}", y, at - row);
  }
  return "";
}

class JpegPart : public testing::TestWithParam<Sampling> {
 protected:
  void expect_equal(std::span<const std::byte> bytes, const Image& whole, const Rect& part) {
    decoder_.open(bytes, "");
    const PixelView view = decoder_.read(part);
    EXPECT_EQ(difference(view, whole, part), "")
        << part.height << " x " << part.width << " at " << part.top << ", " << part.left << " of "
        << whole.height << " x " << whole.width;
  }

  ImageDecoder decoder_;
};

constexpr std::array dimensions{std::pair{65, 83}, std::pair{64, 96}, std::pair{33, 34},
                                std::pair{17, 19}, std::pair{50, 49}, std::pair{98, 131}};

TEST_P(JpegPart, EqualsThatOfTheWhole) {
  std::mt19937 random(1);
  for (const auto& [height, width] : dimensions) {
    for (const Scans scans : {Scans::one, Scans::progressive, Scans::one_per_component}) {
      const auto bytes = encode(picture(height, width, GetParam().channels), GetParam(), scans);
      Image whole;
      decoder_.decode(bytes, "", whole);
      for (int i = 0; i < 200; ++i) {
        const int h = 1 + static_cast<int>(random() % height);
        const int w = 1 + static_cast<int>(random() % width);
        const Rect part{static_cast<int>(random() % (height - h + 1)),
                        static_cast<int>(random() % (width - w + 1)), h, w};
        expect_equal(bytes, whole, part);
      }
    }
  }
}

// Each offset against the blocks, in small parts, along both axes.
TEST_P(JpegPart, AtEveryOffset) {
  const auto bytes = encode(picture(67, 85, GetParam().channels), GetParam(), Scans::one);
  Image whole;
  decoder_.decode(bytes, "", whole);
  for (const int size : {1, 2, 3, 7, 16, 31}) {
    for (int left = 0; left + size <= whole.width; ++left) {
      expect_equal(bytes, whole, {left * 13 % (whole.height - size + 1), left, size, size});
    }
    for (int top = 0; top + size <= whole.height; ++top) {
      expect_equal(bytes, whole, {top, top * 13 % (whole.width - size + 1), size, size});
      expect_equal(bytes, whole, {top, 0, size, whole.width});
    }
  }
}

// The last column of blocks is narrower than what the smoothing of chroma needs.
TEST_P(JpegPart, BesideANarrowLastBlock) {
  for (int width = 33; width <= 49; ++width) {
    const auto bytes = encode(picture(width, width, GetParam().channels), GetParam(), Scans::one);
    Image whole;
    decoder_.decode(bytes, "", whole);
    for (int size = 1; size <= 20; ++size) {
      expect_equal(bytes, whole, {width - size, width - size, size, size});
    }
  }
}

TEST_P(JpegPart, BetweenRestarts) {
  const auto bytes =
      encode(picture(120, 90, GetParam().channels), GetParam(), Scans::one, /*restart_rows=*/1);
  Image whole;
  decoder_.decode(bytes, "", whole);
  for (int top = 0; top < 110; top += 7) expect_equal(bytes, whole, {top, top % 50, 10, 40});
}

INSTANTIATE_TEST_SUITE_P(Samplings, JpegPart, testing::ValuesIn(samplings), [](const auto& c) {
  std::string name = c.param.name;
  std::erase_if(name, [](char letter) { return !std::isalnum(letter); });
  return name;
});

// What lies behind a part is not read: a file cut off there serves it, the whole is refused.
TEST(JpegPart, ReadsNothingBehindIt) {
  auto bytes = encode(picture(200, 100, 3), samplings[2], Scans::one);
  Image whole;
  ImageDecoder decoder;
  decoder.decode(bytes, "", whole);
  bytes.resize(bytes.size() * 3 / 4);
  decoder.open(bytes, "");
  EXPECT_EQ(difference(decoder.read({20, 30, 60, 50}), whole, {20, 30, 60, 50}), "");
  decoder.open(bytes, "");
  EXPECT_THROW(decoder.read({150, 30, 50, 50}), Error);
  EXPECT_THROW(decoder.decode(bytes, "", whole), Error);
}

}  // namespace
}  // namespace convoy
