#include "data/image.h"

#include <algorithm>
#include <array>
#include <string>

#include "data/jpeg.h"
#include "data/png.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char a, std::byte b) { return std::byte(a) == b; });
}

[[noreturn]] void fail_type(std::span<const std::byte> bytes, ImageType type,
                            std::string_view place) {
  require(!bytes.empty(), ExitCode::data, place, "is empty, a JPEG or PNG image was expected");
  std::string found(name_of(type));
  if (type == ImageType::unknown) {
    found += " bytes, starting with";
    for (const std::byte byte : bytes.first(std::min<std::size_t>(bytes.size(), 4))) {
      found += fmt::format(" {:02x}", std::to_integer<int>(byte));
    }
  }
  fail(ExitCode::data, place, "holds {}, a JPEG or PNG image was expected", found);
}

}  // namespace

std::string_view name_of(ImageType type) {
  constexpr std::array<std::string_view, 7> names{"unknown", "JPEG", "PNG", "GIF",
                                                  "BMP",     "WebP", "TIFF"};
  return names[static_cast<std::size_t>(type)];
}

ImageType sniff(std::span<const std::byte> bytes) {
  using namespace std::string_view_literals;
  if (starts_with(bytes, "\xFF\xD8\xFF"sv)) return ImageType::jpeg;
  if (starts_with(bytes, "\x89PNG\r\n\x1A\n"sv)) return ImageType::png;
  if (starts_with(bytes, "GIF8"sv)) return ImageType::gif;
  if (starts_with(bytes, "BM"sv)) return ImageType::bmp;
  if (starts_with(bytes, "RIFF"sv) && bytes.size() >= 12 && starts_with(bytes.subspan(8), "WEBP"sv))
    return ImageType::webp;
  if (starts_with(bytes, "II*\0"sv) || starts_with(bytes, "MM\0*"sv)) return ImageType::tiff;
  return ImageType::unknown;
}

ImageDecoder::ImageDecoder() : jpeg_(std::make_unique<JpegDecoder>()) {}
ImageDecoder::~ImageDecoder() = default;
ImageDecoder::ImageDecoder(ImageDecoder&&) noexcept = default;

ImageInfo ImageDecoder::probe(std::span<const std::byte> bytes, std::string_view place) {
  const ImageType type = sniff(bytes);
  if (type == ImageType::jpeg) return jpeg_->open(bytes, place);
  if (type == ImageType::png) return probe_png(bytes, place);
  fail_type(bytes, type, place);
}

void ImageDecoder::decode(std::span<const std::byte> bytes, std::string_view place, Image& image) {
  const ImageType type = sniff(bytes);
  if (type == ImageType::jpeg) return jpeg_->decode(bytes, place, image);
  if (type == ImageType::png) return decode_png(bytes, place, image);
  fail_type(bytes, type, place);
}

void ImageDecoder::open(std::span<const std::byte> bytes, std::string_view place) {
  info_ = probe(bytes, place);
  bytes_ = bytes;
  place_ = place;
}

PixelView ImageDecoder::read(const Rect& part) {
  Rect decoded{0, 0, info_.height, info_.width};
  if (info_.type == ImageType::jpeg) {
    decoded = jpeg_->read(part, place_, image_);
  } else {
    decode_png(bytes_, place_, image_);
  }
  return part_of(view_of(image_),
                 {part.top - decoded.top, part.left - decoded.left, part.height, part.width});
}

Rect intersection(const Rect& a, const Rect& b) {
  const int top = std::max(a.top, b.top);
  const int left = std::max(a.left, b.left);
  return {top, left, std::max(0, std::min(a.bottom(), b.bottom()) - top),
          std::max(0, std::min(a.right(), b.right()) - left)};
}

PixelView view_of(const Image& image) {
  return {image.pixels.data(), image.height, image.width, image.channels,
          std::ptrdiff_t(image.width) * image.channels};
}

PixelView part_of(const PixelView& view, const Rect& part) {
  return {view.at(part.top, part.left), part.height, part.width, view.channels, view.stride};
}

void require_image_size(std::int64_t height, std::int64_t width, std::string_view place) {
  require(height > 0 && width > 0 && height <= max_image_side && width <= max_image_side &&
              height * width <= max_image_pixels,
          ExitCode::data, place,
          "claims {} x {} pixels, sides of 1 to {} and at most {} Mi pixels expected", height,
          width, max_image_side, max_image_pixels >> 20);
}

}  // namespace convoy
