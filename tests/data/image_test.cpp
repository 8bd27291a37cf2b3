// Decoders: Pillow's pixels, and one clear error for everything that is not a whole image.
#include "data/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <random>

#include "data/jpeg.h"
#include "ops/core/check.h"
#include "tests/data/images.h"

namespace convoy {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string error_of(std::span<const std::byte> bytes) {
  ImageDecoder decoder;
  Image image;
  try {
    decoder.decode(bytes, "shard[3] (cat.jpg)", image);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::data);
    EXPECT_THAT(error.what(), AllOf(StartsWith("shard[3] (cat.jpg): "), Not(HasSubstr("\n"))));
    return error.what();
  }
  return "no error";
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// The library keeps the tables of one image for the next.
TEST(Decode, DoesNotRememberTables) {
  std::vector<std::byte> bare = from_hex(colour_jpeg);
  const std::vector<std::byte> start = from_hex("ffdb0043");
  for (int table = 0; table < 2; ++table) {
    const auto at = std::search(bare.begin(), bare.end(), start.begin(), start.end());
    ASSERT_NE(at, bare.end());
    bare.erase(at, at + 2 + 67);
  }
  ImageDecoder decoder;
  Image image;
  decoder.decode(from_hex(colour_jpeg), "x", image);
  EXPECT_THROW(decoder.decode(bare, "x", image), Error);
}

TEST(Jpeg, DecodesToPillowsPixels) {
  ImageDecoder decoder;
  Image image;
  for (const std::string_view text : {colour_jpeg, progressive_jpeg}) {
    decoder.decode(from_hex(text), "", image);
    EXPECT_EQ(image.height, 17);
    EXPECT_EQ(image.width, 23);
    EXPECT_EQ(image.channels, 3);
    EXPECT_EQ(crc32c_of(image), colour_jpeg_crc);
  }
  decoder.decode(from_hex(grey_jpeg), "", image);
  EXPECT_EQ(image.channels, 1);
  EXPECT_EQ(crc32c_of(image), grey_jpeg_crc);
}

TEST(Jpeg, ProbesWithoutDecoding) {
  ImageDecoder decoder;
  const ImageInfo info = decoder.probe(from_hex(colour_jpeg), "");
  EXPECT_EQ(info.type, ImageType::jpeg);
  EXPECT_EQ(info.height, 17);
  EXPECT_EQ(info.width, 23);
  EXPECT_EQ(info.channels, 3);
  EXPECT_EQ(decoder.probe(from_hex(grey_jpeg), "").channels, 1);
  // The header is enough.
  const auto whole = from_hex(colour_jpeg);
  EXPECT_EQ(decoder.probe(std::span(whole).first(whole.size() - 60), "").width, 23);
}

TEST(Jpeg, EncodesWhatItDecodes) {
  for (const int channels : {1, 3}) {
    Image image;
    image.reshape(40, 56, channels);
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      image.pixels[i] = static_cast<std::uint8_t>(i / (56 * channels) * 6);
    }
    const std::vector<std::byte> bytes = encode_jpeg(image, 90);
    EXPECT_EQ(sniff(bytes), ImageType::jpeg);
    EXPECT_LT(bytes.size(), image.pixels.size());
    Image decoded;
    ImageDecoder().decode(bytes, "", decoded);
    ASSERT_EQ(decoded.pixels.size(), image.pixels.size());
    for (std::size_t i = 0; i < image.pixels.size(); ++i) {
      ASSERT_NEAR(decoded.pixels[i], image.pixels[i], 4) << i;
    }
  }
}

TEST(Jpeg, EncodesNoiseAtFullQuality) {  // the largest files there are
  const Image image = noise_image(33, 47, 3);
  Image decoded;
  ImageDecoder().decode(encode_jpeg(image, 100), "", decoded);
  EXPECT_EQ(decoded.pixels.size(), image.pixels.size());
}

TEST(Jpeg, RefusesEveryTruncation) {
  for (const std::string_view text : {colour_jpeg, progressive_jpeg, grey_jpeg}) {
    const auto whole = from_hex(text);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_NE(error_of(std::span(whole).first(size)), "no error") << size;
    }
    EXPECT_EQ(error_of(whole), "no error");
  }
}

TEST(Jpeg, RefusesCmyk) {
  EXPECT_THAT(error_of(from_hex(cmyk_jpeg)), HasSubstr("CMYK JPEG image, grey or RGB expected"));
}

TEST(Jpeg, RefusesHugeSizesFromTheHeader) {
  auto bytes = from_hex(colour_jpeg);
  const auto frame = from_hex("ffc00011080011");
  const auto at = std::search(bytes.begin(), bytes.end(), frame.begin(), frame.end());
  ASSERT_NE(at, bytes.end());
  std::fill_n(at + 5, 4, std::byte{0x80});
  EXPECT_THAT(error_of(bytes), HasSubstr("claims 32896 x 32896 pixels"));
}

// The scans of the DC coefficients, which a file may repeat for ever: each pair of them, first and
// refinement, leaves the picture as it was.
std::vector<std::byte> dc_scans(const std::vector<std::byte>& bytes) {
  std::vector<std::byte> scans;
  for (auto at = bytes.begin(); at != bytes.end() - 4; ++at) {
    if (at[0] != std::byte{0xFF} || at[1] != std::byte{0xDA} || at[4] != std::byte{3}) continue;
    auto end = at + 4;
    while (end[0] != std::byte{0xFF} || end[1] == std::byte{0}) ++end;
    scans.insert(scans.end(), at, end);
  }
  return scans;
}

TEST(Jpeg, RefusesEndlessScans) {
  const auto whole = from_hex(progressive_jpeg);
  const auto two_scans = dc_scans(whole);
  ASSERT_FALSE(two_scans.empty());
  auto longer = whole;
  for (int i = 0; i < 45; ++i) longer.insert(longer.end() - 2, two_scans.begin(), two_scans.end());
  EXPECT_EQ(error_of(longer), "no error");  // 100 scans
  longer.insert(longer.end() - 2, two_scans.begin(), two_scans.end());
  EXPECT_THAT(error_of(longer), HasSubstr("More than 100 scans"));
}

TEST(Jpeg, DecoderServesOnAfterAnError) {
  ImageDecoder decoder;
  Image image;
  const auto whole = from_hex(colour_jpeg);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(decoder.decode(std::span(whole).first(whole.size() / 2), "", image), Error);
    EXPECT_THROW(decoder.probe(std::span(whole).first(30), ""), Error);
    EXPECT_THROW(decoder.decode(from_hex(cmyk_jpeg), "", image), Error);
    decoder.decode(whole, "", image);
    EXPECT_EQ(crc32c_of(image), colour_jpeg_crc);
  }
}

struct PngCase {
  const char* name;
  const char* hex;
  int height, width, channels;
  std::vector<int> pixels;  // Pillow's, of the image converted to RGB
};

const std::vector<PngCase> png_cases{
    {"Rgb16",
     "89504e470d0a1a0a0000000d49484452000000020000000110020000002bd0349e000000154944415478da6360"
     "6060f82ff4ffffff86867a06002000058e76b62d450000000049454e44ae426082",
     1,
     2,
     3,
     {0, 0, 18, 255, 128, 127}},
    {"PaletteWithTransparency",
     "89504e470d0a1a0a0000000d4948445200000003000000010203000000668efc2700000009504c544501020328"
     "323cc8d2dccee1355d0000000274524e5300809b2b4e180000000a4944415478da63900000001a001980008ebb"
     "0000000049454e44ae426082",
     1,
     3,
     3,
     {1, 2, 3, 40, 50, 60, 200, 210, 220}},
    {"RgbWithAlpha",
     "89504e470d0a1a0a0000000d4948445200000002000000010806000000f4227f8a000000114944415478da63e0"
     "129163d030b2f90f00044601d24a0d150a0000000049454e44ae426082",
     1,
     2,
     3,
     {10, 20, 30, 40, 50, 60}},
    {"GreyOf2Bits",
     "89504e470d0a1a0a0000000d494844520000000400000001020000000096e748b00000000a4944415478da6390"
     "0600001d001c237c8fac0000000049454e44ae426082",
     1,
     4,
     1,
     {0, 85, 170, 255}},
    {"GreyWithAlpha",
     "89504e470d0a1a0a0000000d49484452000000020000000108040000005e2bb7010000000d4944415478da6360"
     "67e0fc0f00013201107eff941d0000000049454e44ae426082",
     1,
     2,
     1,
     {7, 9}},
    {"Interlaced",
     "89504e470d0a1a0a0000000d49484452000000030000000308000000010444daf5000000174944415478da6360"
     "64606660e7646062e0606061650300012a002ea6a846fc0000000049454e44ae426082",
     3,
     3,
     1,
     {1, 2, 3, 4, 5, 6, 7, 8, 9}}};

class Png : public testing::TestWithParam<PngCase> {};

TEST_P(Png, DecodesToPillowsPixels) {
  const PngCase& expected = GetParam();
  const auto bytes = from_hex(expected.hex);
  ImageDecoder decoder;
  Image image;
  decoder.decode(bytes, "", image);
  EXPECT_EQ(image.height, expected.height);
  EXPECT_EQ(image.width, expected.width);
  EXPECT_EQ(image.channels, expected.channels);
  EXPECT_EQ(std::vector<int>(image.pixels.begin(), image.pixels.end()), expected.pixels);
  const ImageInfo info = decoder.probe(bytes, "");
  EXPECT_EQ(info.type, ImageType::png);
  EXPECT_EQ(info.height, expected.height);
  EXPECT_EQ(info.channels, expected.channels);
}

TEST_P(Png, RefusesEveryTruncationAndEveryFlippedBitOfItsPixels) {
  const auto whole = from_hex(GetParam().hex);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_NE(error_of(std::span(whole).first(size)), "no error") << size;
  }
  // Chunk IDAT begins 12 + its length before chunk IEND, which takes 12 bytes.
  const std::string_view idat = "IDAT";
  const auto at = std::search(whole.begin(), whole.end(), idat.begin(), idat.end(),
                              [](std::byte a, char b) { return a == std::byte(b); });
  for (auto i = static_cast<std::size_t>(at - whole.begin()); i < whole.size() - 12; ++i) {
    auto damaged = whole;
    damaged[i] ^= std::byte{1};
    EXPECT_NE(error_of(damaged), "no error") << i;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Png, testing::ValuesIn(png_cases),
                         [](const auto& c) { return std::string(c.param.name); });

TEST(PngHeader, HugeSizesAreRefused) {
  auto bytes = from_hex(png_cases[0].hex);
  // Width 2^24 with its checksum.
  const auto header = from_hex("4948445201000000000000011002000000f2b33d26");
  std::copy(header.begin(), header.end(), bytes.begin() + 12);
  EXPECT_THAT(error_of(bytes), HasSubstr("claims 1 x 16777216 pixels"));
}

TEST(Sniff, NamesWhatItFinds) {
  EXPECT_THAT(error_of({}), HasSubstr("is empty, a JPEG or PNG image was expected"));
  EXPECT_THAT(error_of(bytes_of("GIF89a....")), HasSubstr("holds GIF, a JPEG or PNG"));
  EXPECT_THAT(error_of(bytes_of("BM......")), HasSubstr("holds BMP"));
  EXPECT_THAT(error_of(bytes_of("RIFF....WEBPVP8 ")), HasSubstr("holds WebP"));
  EXPECT_THAT(error_of(bytes_of(std::string_view("II*\0....", 8))), HasSubstr("holds TIFF"));
  EXPECT_THAT(error_of(bytes_of("hello")), HasSubstr("unknown bytes, starting with 68 65 6c 6c"));
}

TEST(Sniff, RandomBytesBehindAnyMagicAreErrors) {
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    std::vector<std::byte> bytes(random() % 400);
    for (std::byte& byte : bytes) byte = std::byte(random());
    EXPECT_NE(error_of(bytes), "no error");
    auto jpeg = from_hex("ffd8ffe000104a46494600010100000100010000");
    jpeg.insert(jpeg.end(), bytes.begin(), bytes.end());
    EXPECT_NE(error_of(jpeg), "no error");
    auto png = from_hex("89504e470d0a1a0a0000000d4948445200000002000000010806000000f4227f8a");
    png.insert(png.end(), bytes.begin(), bytes.end());
    EXPECT_NE(error_of(png), "no error");
  }
}

// Any outcome but a crash, a leak or an exit: for the sanitizers.
TEST(Sniff, DamageNeverCrashes) {
  std::mt19937 random(2);
  std::vector<std::vector<std::byte>> originals{from_hex(colour_jpeg), from_hex(progressive_jpeg),
                                                from_hex(grey_jpeg), from_hex(cmyk_jpeg)};
  for (const PngCase& png : png_cases) originals.push_back(from_hex(png.hex));
  ImageDecoder decoder;
  Image image;
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    auto bytes = originals[i % originals.size()];
    for (int k = 0; k < 3; ++k) bytes[random() % bytes.size()] = std::byte(random());
    try {
      decoder.decode(bytes, "damaged", image);
    } catch (const Error& error) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace convoy
