#include "data/convert.h"

#include <algorithm>
#include <utility>

#include "data/jpeg.h"
#include "data/jpeg_rewrite.h"
#include "data/png.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

struct Size {
  int height, width;
};

// Sides are cut as torchvision's Resize cuts them.
Size smaller_size(const Image& image, const Reencode& reencode) {
  const int longer = std::max(image.height, image.width);
  const int shorter = std::min(image.height, image.width);
  const auto scaled = [](int side, int numerator, int denominator) {
    return std::max(static_cast<int>(static_cast<std::int64_t>(side) * numerator / denominator), 1);
  };
  int new_longer = longer, new_shorter = shorter;
  if (reencode.short_side > 0 && shorter > reencode.short_side) {
    new_shorter = reencode.short_side;
    new_longer = scaled(longer, reencode.short_side, shorter);
  }
  if (reencode.max_side > 0 && new_longer > reencode.max_side) {
    new_shorter = scaled(shorter, reencode.max_side, longer);
    new_longer = reencode.max_side;
  }
  return image.height < image.width ? Size{new_shorter, new_longer} : Size{new_longer, new_shorter};
}

}  // namespace

std::string policy_text(const Reencode& reencode) {
  if (!reencode.wanted()) return "lossless";
  std::string text = fmt::format("reencoded-q{}", reencode.quality_or_default());
  if (reencode.max_side > 0) text += fmt::format("-max{}", reencode.max_side);
  if (reencode.short_side > 0) text += fmt::format("-short{}", reencode.short_side);
  return text;
}

Stored Converter::convert(std::span<const std::byte> bytes, std::string_view place) {
  Stored stored;
  if (sniff(bytes) == ImageType::jpeg) {
    stored = convert_jpeg(bytes, place);
  } else {
    decoder_.decode(bytes, place, image_);  // names what is neither JPEG nor PNG
    stored = {.bytes = bytes, .encoding = Encoding::png};
  }
  if (reencode_.wanted() && reencode(place)) {
    stored = {.bytes = bytes_, .conversion = Conversion::reencoded};
  }
  stored.height = image_.height;
  stored.width = image_.width;
  stored.channels = image_.channels;
  return stored;
}

Stored Converter::convert_jpeg(std::span<const std::byte> bytes, std::string_view place) {
  const JpegTraits traits = traits_of_jpeg(bytes, place);
  if (traits.cmyk) {
    decode_cmyk_jpeg(bytes, place, image_);
    bytes_ = encode_png(image_);
    return {.bytes = bytes_, .encoding = Encoding::png, .conversion = Conversion::rgb};
  }
  decoder_.decode(bytes, place, image_);
  if (!traits.baseline) {
    bytes_ = rewrite_as_baseline(bytes, place);
    decoder_.decode(bytes_, place, other_);
    if (other_ == image_) return {.bytes = bytes_, .conversion = Conversion::baseline};
    return {.bytes = bytes, .conversion = Conversion::kept};
  }
  return {.bytes = bytes};
}

// Makes bytes_ and image_ those of the smaller image; false where it stays as it is.
bool Converter::reencode(std::string_view place) {
  const Size size = smaller_size(image_, reencode_);
  const bool resized = size.height != image_.height || size.width != image_.width;
  const bool all = reencode_.max_side == 0 && reencode_.short_side == 0;
  if (!resized && !all) return false;
  if (resized) {
    const PixelView view{.pixels = image_.pixels.data(),
                         .height = image_.height,
                         .width = image_.width,
                         .channels = image_.channels,
                         .stride = static_cast<std::ptrdiff_t>(image_.width) * image_.channels};
    resize_bilinear(view, size.height, size.width, resize_scratch_, other_);
    std::swap(image_, other_);
  }
  bytes_ = encode_jpeg(image_, reencode_.quality_or_default());
  decoder_.decode(bytes_, place, image_);
  return true;
}

}  // namespace convoy
