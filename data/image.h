// Image: decoded pixels, whole or a part. What encoded bytes hold, told by their content, and the
// one decoder for all of it.
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

// Pixels of an image; may stick out of it.
struct Rect {
  int top = 0, left = 0, height = 0, width = 0;
  int bottom() const { return top + height; }
  int right() const { return left + width; }
  bool operator==(const Rect&) const = default;
};
Rect intersection(const Rect& a, const Rect& b);

// Part of an image: rows are `stride` bytes apart. Owns nothing.
struct PixelView {
  const std::uint8_t* pixels = nullptr;
  int height = 0;
  int width = 0;
  int channels = 0;
  std::ptrdiff_t stride = 0;

  const std::uint8_t* at(int y, int x) const {
    return pixels + y * stride + std::ptrdiff_t(x) * channels;
  }
};
PixelView view_of(const Image& image);
PixelView part_of(const PixelView& view, const Rect& part);  // which lies inside

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

// One image whose pixels are made when they are asked for.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual ImageInfo info() const = 0;
  // The pixels of `part`, which lies inside the image: the same bits whatever the part. Once per
  // image; the view holds until the source gets another one.
  virtual PixelView read(const Rect& part) = 0;
};

class PixelsInMemory : public ImageSource {
 public:
  explicit PixelsInMemory(const PixelView& view) : view_(view) {}
  ImageInfo info() const override {
    return {ImageType::unknown, view_.height, view_.width, view_.channels};
  }
  PixelView read(const Rect& part) override { return part_of(view_, part); }

 private:
  PixelView view_;
};

class JpegDecoder;

// Decodes JPEG and PNG. One per thread, reused from image to image. `place` says in errors where
// the bytes come from. Error(data) for every other type and for anything damaged or too large.
class ImageDecoder : public ImageSource {
 public:
  ImageDecoder();
  ~ImageDecoder() override;
  ImageDecoder(ImageDecoder&&) noexcept;

  ImageInfo probe(std::span<const std::byte> bytes, std::string_view place);
  void decode(std::span<const std::byte> bytes, std::string_view place, Image& image);

  // From now on this is the source of that image. Reads its header; `bytes` and `place` must stay
  // until the pixels are read. A part of a JPEG is decoded alone, so damage behind it goes unseen:
  // who must know of it compares checksums of the bytes, or decodes the whole.
  void open(std::span<const std::byte> bytes, std::string_view place);
  ImageInfo info() const override { return info_; }
  PixelView read(const Rect& part) override;

 private:
  std::unique_ptr<JpegDecoder> jpeg_;
  std::span<const std::byte> bytes_;
  std::string_view place_;
  ImageInfo info_;
  Image image_;  // what was decoded last
};

// Error(data) unless both sides are above 0 and the limits above are kept.
void require_image_size(std::int64_t height, std::int64_t width, std::string_view place);

}  // namespace convoy
