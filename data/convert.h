// Convert: what is stored of an image file. As it is, unless decoders would find it hard, or the
// user wants it smaller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/image.h"
#include "data/resize.h"
#include "data/shard.h"

namespace convoy {

// Lossy, and only where it is asked for: larger images are resized by Pillow's antialiased bilinear
// filter and encoded as JPEG. Images that are small enough stay as they are, unless only `quality`
// is given, which encodes all.
struct Reencode {
  int max_side = 0;    // of the longer side; 0: any
  int short_side = 0;  // of the shorter side; 0: any
  int quality = 0;     // 1..100 of JPEG; 0: 90 where one of the above is given

  bool wanted() const { return max_side > 0 || short_side > 0 || quality > 0; }
  int quality_or_default() const { return quality > 0 ? quality : 90; }
};

// The attribute jpeg_policy of shards.
std::string policy_text(const Reencode& reencode);

enum class Conversion : std::uint8_t {
  none,       // the file's bytes
  baseline,   // a JPEG of several scans in one, with the same coefficients
  kept,       // the file's bytes: rewriting its several scans would change pixels
  rgb,        // a CMYK JPEG as PNG of RGB
  reencoded,  // a smaller JPEG
};

struct Stored {
  std::span<const std::byte> bytes;  // of the file, or of the converter
  Encoding encoding = Encoding::jpeg;
  Conversion conversion = Conversion::none;
  int height = 0, width = 0, channels = 0;
};

// One per thread. The same bytes give the same result.
class Converter {
 public:
  explicit Converter(const Reencode& reencode) : reencode_(reencode) {}

  // Decodes the whole image. Error(data), one line that starts with `place`, for what cannot be
  // decoded.
  Stored convert(std::span<const std::byte> bytes, std::string_view place);
  // The pixels of what the last convert() returned.
  const Image& image() const { return image_; }

 private:
  Stored convert_jpeg(std::span<const std::byte> bytes, std::string_view place);
  bool reencode(std::string_view place);

  Reencode reencode_;
  ImageDecoder decoder_;
  ResizeScratch resize_scratch_;
  Image image_, other_;
  std::vector<std::byte> bytes_;
};

}  // namespace convoy
