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
    if (!guarded(errors, [&] {
          // Made anew: it would lend the tables of one image to the next, where that has none.
          jpeg_destroy_decompress(&codec);
          jpeg_create_decompress(&codec);
          codec.progress = &progress;
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

  void start() {
    codec.out_color_space = codec.jpeg_color_space == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
    codec.dct_method = JDCT_ISLOW;
    codec.do_fancy_upsampling = TRUE;
    jpeg_start_decompress(&codec);
  }

  // The rows of the image from `top` on that `image` has room for.
  void read_rows(int top, Image& image) {
    // In one call, from row 0: the library is known to skip to wrong rows from elsewhere.
    if (top > 0) jpeg_skip_scanlines(&codec, static_cast<JDIMENSION>(top));
    const std::size_t stride = std::size_t(image.width) * image.channels;
    for (int done = 0; done < image.height;) {
      std::array<JSAMPROW, 4> rows;
      const int count = std::min<int>(rows.size(), image.height - done);
      for (int i = 0; i < count; ++i) rows[i] = image.pixels.data() + (done + i) * stride;
      done += static_cast<int>(jpeg_read_scanlines(&codec, rows.data(), count));
    }
    if (codec.output_scanline == codec.output_height) {
      jpeg_finish_decompress(&codec);
    } else {
      jpeg_abort_decompress(&codec);
    }
  }
};

JpegDecoder::JpegDecoder() : state_(std::make_unique<State>()) {}
JpegDecoder::~JpegDecoder() = default;
JpegDecoder::JpegDecoder(JpegDecoder&&) noexcept = default;

ImageInfo JpegDecoder::open(std::span<const std::byte> bytes, std::string_view place) {
  return state_->read_header(bytes, place);
}

Rect JpegDecoder::read(const Rect& part, std::string_view place, Image& image) {
  // Chroma at half the size is smoothed between neighbours, and where fewer than two of them are
  // left the library does not smooth at all.
  constexpr int margin = 2;
  jpeg_decompress_struct& codec = state_->codec;
  const int top = std::max(part.top - margin, 0);
  auto left = static_cast<JDIMENSION>(std::max(part.left - margin, 0));
  auto width = std::min<JDIMENSION>(part.right() + margin, codec.image_width) - left;
  const bool started = guarded(state_->errors, [&] {
    state_->start();
    if (width < codec.output_width) jpeg_crop_scanline(&codec, &left, &width);
  });
  if (!started) state_->fail_damaged(place);
  const Rect decoded{top, static_cast<int>(left), part.bottom() - top, static_cast<int>(width)};
  image.reshape(decoded.height, decoded.width, codec.out_color_components);
  if (!guarded(state_->errors, [&] { state_->read_rows(top, image); })) state_->fail_damaged(place);
  return decoded;
}

void JpegDecoder::decode(std::span<const std::byte> bytes, std::string_view place, Image& image) {
  const ImageInfo info = open(bytes, place);
  read({0, 0, info.height, info.width}, place, image);
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
