#include "data/jpeg.h"

#include <algorithm>
#include <array>

#include "data/libjpeg.h"
#include "ops/core/check.h"

namespace convoy {

struct JpegDecoder::State {
  jpeg_decompress_struct codec{};
  JpegErrors errors{};
  jpeg_progress_mgr progress{};

  State() {
    codec.err = install(errors);
    require(guarded(errors, [&] { jpeg_create_decompress(&codec); }), ExitCode::internal, "libjpeg",
            "{}", errors.message.data());
    progress.progress_monitor = limit_scans;
    codec.progress = &progress;
  }
  State(const State&) = delete;
  ~State() { jpeg_destroy_decompress(&codec); }

  [[noreturn]] void fail_damaged(std::string_view place) {
    jpeg_abort_decompress(&codec);
    fail(ExitCode::data, place, "damaged JPEG image: {}", errors.message.data());
  }

  // Leaves the codec ready to start decompressing.
  ImageInfo read_header(std::span<const std::byte> bytes, std::string_view place) {
    const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
    jpeg_abort_decompress(&codec);  // where an image was refused after its header
    if (!guarded(errors, [&] {
          jpeg_mem_src(&codec, data, bytes.size());
          jpeg_read_header(&codec, TRUE);
        })) {
      fail_damaged(place);
    }
    require_image_size(codec.image_height, codec.image_width, place);
    require(codec.data_precision == 8, ExitCode::data, place, "{}-bit JPEG image, 8-bit expected",
            codec.data_precision);
    const J_COLOR_SPACE space = codec.jpeg_color_space;
    require(space == JCS_GRAYSCALE || space == JCS_YCbCr || space == JCS_RGB, ExitCode::data, place,
            "{} JPEG image, grey or RGB expected",
            space == JCS_CMYK || space == JCS_YCCK ? "CMYK" : "unusual");
    return {ImageType::jpeg, static_cast<int>(codec.image_height),
            static_cast<int>(codec.image_width), space == JCS_GRAYSCALE ? 1 : 3};
  }

  void read_pixels(Image& image) {
    codec.out_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    codec.dct_method = JDCT_ISLOW;
    codec.do_fancy_upsampling = TRUE;
    jpeg_start_decompress(&codec);
    const std::size_t stride = std::size_t(image.width) * image.channels;
    while (codec.output_scanline < codec.output_height) {
      std::array<JSAMPROW, 4> rows;
      const JDIMENSION left = codec.output_height - codec.output_scanline;
      const auto count = std::min<JDIMENSION>(rows.size(), left);
      for (JDIMENSION i = 0; i < count; ++i) {
        rows[i] = image.pixels.data() + (codec.output_scanline + i) * stride;
      }
      jpeg_read_scanlines(&codec, rows.data(), count);
    }
    jpeg_finish_decompress(&codec);
  }
};

JpegDecoder::JpegDecoder() : state_(std::make_unique<State>()) {}
JpegDecoder::~JpegDecoder() = default;
JpegDecoder::JpegDecoder(JpegDecoder&&) noexcept = default;

ImageInfo JpegDecoder::probe(std::span<const std::byte> bytes, std::string_view place) {
  const ImageInfo info = state_->read_header(bytes, place);
  jpeg_abort_decompress(&state_->codec);
  return info;
}

void JpegDecoder::decode(std::span<const std::byte> bytes, std::string_view place, Image& image) {
  const ImageInfo info = state_->read_header(bytes, place);
  image.reshape(info.height, info.width, info.channels);
  if (!guarded(state_->errors, [&] { state_->read_pixels(image); })) state_->fail_damaged(place);
}

std::vector<std::byte> encode_jpeg(const Image& image, int quality) {
  require_image_size(image.height, image.width, "JPEG encoder");
  jpeg_compress_struct codec{};
  JpegErrors errors{};
  codec.err = install(errors);
  // More than any image takes, so that the library never has to allocate a larger buffer: at worst
  // each of the 64 coefficients of a block of 8 x 8 pixels needs 4 bytes.
  const std::size_t area = (image.height + 16ul) * (image.width + 16ul);
  std::vector<std::byte> bytes(area * image.channels * 4 + 2048);
  auto* buffer = reinterpret_cast<unsigned char*>(bytes.data());
  unsigned long size = bytes.size();
  const bool encoded = guarded(errors, [&] {
    jpeg_create_compress(&codec);
    jpeg_mem_dest(&codec, &buffer, &size);
    codec.image_height = static_cast<JDIMENSION>(image.height);
    codec.image_width = static_cast<JDIMENSION>(image.width);
    codec.input_components = image.channels;
    codec.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&codec);
    jpeg_set_quality(&codec, quality, TRUE);
    jpeg_start_compress(&codec, TRUE);
    const std::size_t stride = std::size_t(image.width) * image.channels;
    while (codec.next_scanline < codec.image_height) {
      auto* row = const_cast<JSAMPROW>(image.pixels.data() + codec.next_scanline * stride);
      jpeg_write_scanlines(&codec, &row, 1);
    }
    jpeg_finish_compress(&codec);
  });
  jpeg_destroy_compress(&codec);
  require(encoded, ExitCode::internal, "JPEG encoder", "{}", errors.message.data());
  bytes.resize(size);
  return bytes;
}

}  // namespace convoy
