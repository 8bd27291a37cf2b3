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

  // Reads the header. `bytes` must stay until the pixels are read.
  ImageInfo open(std::span<const std::byte> bytes, std::string_view place);
  // At least `part` of the opened image, with the bits that it has in the whole; returns what it
  // is. Decodes no more rows and columns than that takes, and reads no bytes behind them (but all
  // of them where the file is progressive). 1 channel for greyscale images, otherwise RGB.
  Rect read(const Rect& part, std::string_view place, Image& image);
  // All of an image, to the end of its bytes.
  void decode(std::span<const std::byte> bytes, std::string_view place, Image& image);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A baseline JPEG: 4:2:0 for colour, standard Huffman tables. `quality` 1..100.
std::vector<std::byte> encode_jpeg(const Image& image, int quality);

}  // namespace convoy
