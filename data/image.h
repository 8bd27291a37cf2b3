// Image: decoded pixels. What encoded bytes hold, told by their content, and the one decoder for
// all of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace convoy {

// An image of 8-bit pixels, HWC, row-major, owned by a thread's scratch. 1 channel is grey, 3 are
// RGB.
struct Image {
  int height = 0;
  int width = 0;
  int channels = 0;
  std::vector<std::uint8_t> pixels;

  // Makes room for a picture of this size; keeps the memory of a larger one before.
  void reshape(int new_height, int new_width, int new_channels) {
    height = new_height;
    width = new_width;
    channels = new_channels;
    pixels.resize(std::size_t(new_height) * new_width * new_channels);
  }
  bool operator==(const Image&) const = default;
};

// Larger images are refused from their header, before any memory is taken.
inline constexpr std::int64_t max_image_pixels = std::int64_t{64} << 20;
inline constexpr std::int64_t max_image_side = 65535;

enum class ImageType { unknown, jpeg, png, gif, bmp, webp, tiff };
std::string_view name_of(ImageType type);

// By the first bytes, whatever the file is called.
ImageType sniff(std::span<const std::byte> bytes);

// What decode() will make of the bytes, from the header alone.
struct ImageInfo {
  ImageType type = ImageType::unknown;
  int height = 0;
  int width = 0;
  int channels = 0;  // 1 or 3
};

class JpegDecoder;

// Decodes JPEG and PNG. One per thread, reused from image to image. `place` says in errors where
// the bytes come from. Error(data) for every other type and for anything damaged or too large.
class ImageDecoder {
 public:
  ImageDecoder();
  ~ImageDecoder();
  ImageDecoder(ImageDecoder&&) noexcept;

  ImageInfo probe(std::span<const std::byte> bytes, std::string_view place);
  void decode(std::span<const std::byte> bytes, std::string_view place, Image& image);

 private:
  std::unique_ptr<JpegDecoder> jpeg_;
};

// Error(data) unless both sides are above 0 and the limits above are kept.
void require_image_size(std::int64_t height, std::int64_t width, std::string_view place);

}  // namespace convoy
