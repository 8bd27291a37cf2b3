// What is stored of odd files: the same pixels.
#include "data/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/jpeg.h"
#include "data/jpeg_rewrite.h"
#include "data/png.h"
#include "tests/data/files.h"

namespace convoy {
namespace {

using testing::HasSubstr;

Image decoded(std::span<const std::byte> bytes) {
  ImageDecoder decoder;
  Image image;
  decoder.decode(bytes, "", image);
  return image;
}

TEST(Convert, KeepsOrdinaryFiles) {
  Converter converter({});
  for (const std::string_view hex : {colour_jpeg, grey_jpeg, colour_png}) {
    const auto bytes = from_hex(hex);
    const Stored stored = converter.convert(bytes, "x");
    EXPECT_EQ(stored.bytes.data(), bytes.data());
    EXPECT_EQ(stored.bytes.size(), bytes.size());
    EXPECT_EQ(stored.conversion, Conversion::none);
    EXPECT_EQ(stored.encoding, hex == colour_png ? Encoding::png : Encoding::jpeg);
    EXPECT_EQ(converter.image(), decoded(bytes));
    EXPECT_EQ(stored.channels, converter.image().channels);
  }
}

TEST(Convert, RewritesScansWithoutLoss) {
  const auto bytes = from_hex(progressive_jpeg);
  EXPECT_FALSE(traits_of_jpeg(bytes, "").baseline);
  EXPECT_TRUE(traits_of_jpeg(from_hex(colour_jpeg), "").baseline);
  Converter converter({});
  const Stored stored = converter.convert(bytes, "x");
  EXPECT_EQ(stored.conversion, Conversion::baseline);
  EXPECT_TRUE(traits_of_jpeg(stored.bytes, "").baseline);
  EXPECT_EQ(crc32c_of(decoded(stored.bytes)), colour_jpeg_crc);
  // The same coefficients: once more changes nothing.
  const std::vector<std::byte> once(stored.bytes.begin(), stored.bytes.end());
  EXPECT_EQ(rewrite_as_baseline(once, ""), once);
}

TEST(Convert, KeepsMetadata) {
  // An APP1 segment, as EXIF has it, behind the JFIF header.
  std::string text = text_from_hex(progressive_jpeg);
  const std::string exif(
      "\xFF\xE1\x00\x0A"
      "Exif\0\0\x01\x02",
      12);
  text.insert(20, exif);
  const auto rewritten = rewrite_as_baseline(std::as_bytes(std::span(text)), "");
  const std::string result = text_of(rewritten);
  EXPECT_THAT(result, HasSubstr(exif));
  EXPECT_EQ(result.find("JFIF"), result.rfind("JFIF"));
  EXPECT_EQ(crc32c_of(decoded(rewritten)), colour_jpeg_crc);
}

TEST(Convert, TakesCmykAsPillowDoes) {
  Converter converter({});
  auto bytes = from_hex(cmyk_jpeg);
  EXPECT_TRUE(traits_of_jpeg(bytes, "").cmyk);
  const auto check = [&](std::uint32_t crc) {
    const Stored stored = converter.convert(bytes, "x");
    EXPECT_EQ(stored.conversion, Conversion::rgb);
    EXPECT_EQ(stored.encoding, Encoding::png);
    EXPECT_EQ(stored.channels, 3);
    EXPECT_EQ(crc32c_of(decoded(stored.bytes)), crc);
    EXPECT_EQ(crc32c_of(converter.image()), crc);
  };
  check(cmyk_jpeg_crc);
  bytes[17] = std::byte{2};
  check(ycck_jpeg_crc);
  bytes.erase(bytes.begin() + 2, bytes.begin() + 18);  // no word of Adobe: inverted all the same
  check(cmyk_jpeg_crc);
}

TEST(Convert, EncodesPng) {
  for (const int channels : {1, 3}) {
    const Image image = noise_image(13, 7, channels);
    EXPECT_EQ(decoded(encode_png(image)), image);
  }
}

TEST(Convert, NamesWhatIsDamaged) {
  Converter converter({});
  for (const std::string_view hex : {progressive_jpeg, cmyk_jpeg}) {
    const auto bytes = from_hex(hex);
    for (std::size_t size = 3; size + 2 < bytes.size(); size += 5) {
      EXPECT_THAT(error_of(ExitCode::data,
                           [&] { converter.convert(std::span(bytes).first(size), "x.jpg"); }),
                  HasSubstr("x.jpg: damaged JPEG image"))
          << size;
    }
  }
  EXPECT_EQ(converter.convert(from_hex(colour_jpeg), "x").conversion, Conversion::none);
}

}  // namespace
}  // namespace convoy
