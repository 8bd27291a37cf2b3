// JPEG: libjpeg-turbo behind one decoder and one encoder, with the pixels that Pillow gives:
// accurate integer IDCT, smooth chroma upsampling, EXIF orientation left alone.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "data/image.h"

namespace convoy {

// One per thread, reused from image to image. Error(data), one line that starts with `place`, for
// whatever the library reports: a warning (such as data that end early) is an error too, because
// the library would fill the rest with grey. CMYK and 12-bit images are refused.
class JpegDecoder {
 public:
  JpegDecoder();
  ~JpegDecoder();
  JpegDecoder(JpegDecoder&&) noexcept;

  ImageInfo probe(std::span<const std::byte> bytes, std::string_view place);
  // 1 channel for greyscale images, otherwise RGB.
  void decode(std::span<const std::byte> bytes, std::string_view place, Image& image);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A baseline JPEG: 4:2:0 for colour, standard Huffman tables. `quality` 1..100.
std::vector<std::byte> encode_jpeg(const Image& image, int quality);

}  // namespace convoy
