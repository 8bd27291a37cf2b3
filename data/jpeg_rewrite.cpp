#include "data/jpeg_rewrite.h"

#include <array>
#include <cstdlib>
#include <cstring>

#include "data/libjpeg.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

// One file being decompressed.
struct Decompressor {
  jpeg_decompress_struct codec{};
  JpegErrors errors{};
  jpeg_progress_mgr progress{};
  std::string_view place;

  explicit Decompressor(std::string_view where) : place(where) {
    codec.err = install(errors);
    require(guarded(errors, [&] { jpeg_create_decompress(&codec); }), ExitCode::internal, "libjpeg",
            "{}", errors.message.data());
    progress.progress_monitor = limit_scans;
    codec.progress = &progress;
  }
  Decompressor(const Decompressor&) = delete;
  ~Decompressor() { jpeg_destroy_decompress(&codec); }

  template <class Step>
  void run(const Step& step) {
    require(guarded(errors, step), ExitCode::data, place, "damaged JPEG image: {}",
            errors.message.data());
  }

  void read_header(std::span<const std::byte> bytes, bool keep_metadata = false) {
    run([&] {
      jpeg_mem_src(&codec, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
      if (keep_metadata) jpeg_save_markers(&codec, JPEG_COM, 0xFFFF);
      for (int i = 1; keep_metadata && i < 16; ++i) {
        jpeg_save_markers(&codec, JPEG_APP0 + i, 0xFFFF);
      }
      jpeg_read_header(&codec, TRUE);
    });
    require_image_size(codec.image_height, codec.image_width, place);
    require(codec.data_precision == 8, ExitCode::data, place, "{}-bit JPEG image, 8-bit expected",
            codec.data_precision);
  }
  bool cmyk() const {
    return codec.jpeg_color_space == JCS_CMYK || codec.jpeg_color_space == JCS_YCCK;
  }
};

// One file being compressed, into memory that the library grows; its errors are those of the file
// that it is made from.
struct Compressor {
  jpeg_compress_struct codec{};
  unsigned char* buffer = nullptr;
  unsigned long size = 0;

  explicit Compressor(Decompressor& source) {
    codec.err = source.codec.err;
    source.run([&] { jpeg_create_compress(&codec); });
  }
  Compressor(const Compressor&) = delete;
  ~Compressor() {
    jpeg_destroy_compress(&codec);
    std::free(buffer);
  }
};

// Those that the library does not write by itself.
void copy_markers(const jpeg_decompress_struct& from, jpeg_compress_struct& to) {
  constexpr std::string_view adobe = "Adobe";
  for (auto* marker = from.marker_list; marker != nullptr; marker = marker->next) {
    const bool own = to.write_Adobe_marker && marker->marker == JPEG_APP0 + 14 &&
                     marker->data_length >= adobe.size() &&
                     std::memcmp(marker->data, adobe.data(), adobe.size()) == 0;
    if (!own) jpeg_write_marker(&to, marker->marker, marker->data, marker->data_length);
  }
}

// The product of two channels of 0..255, divided by 255 and rounded.
unsigned scaled(unsigned a, unsigned b) {
  const unsigned product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

}  // namespace

JpegTraits traits_of_jpeg(std::span<const std::byte> bytes, std::string_view place) {
  Decompressor source(place);
  source.read_header(bytes);
  const bool many_scans = jpeg_has_multiple_scans(&source.codec) == TRUE;
  return {.cmyk = source.cmyk(), .baseline = !many_scans && !source.codec.arith_code};
}

std::vector<std::byte> rewrite_as_baseline(std::span<const std::byte> bytes,
                                           std::string_view place) {
  Decompressor source(place);
  source.read_header(bytes, true);
  Compressor result(source);
  source.run([&] {
    jvirt_barray_ptr* coefficients = jpeg_read_coefficients(&source.codec);
    jpeg_copy_critical_parameters(&source.codec, &result.codec);
    result.codec.optimize_coding = TRUE;
    jpeg_mem_dest(&result.codec, &result.buffer, &result.size);
    jpeg_write_coefficients(&result.codec, coefficients);
    copy_markers(source.codec, result.codec);
    jpeg_finish_compress(&result.codec);
    jpeg_finish_decompress(&source.codec);
  });
  const auto all = std::as_bytes(std::span(result.buffer, result.size));
  return {all.begin(), all.end()};
}

void decode_cmyk_jpeg(std::span<const std::byte> bytes, std::string_view place, Image& image) {
  Decompressor source(place);
  source.read_header(bytes);
  require(source.cmyk(), ExitCode::internal, place, "is no CMYK image");
  image.reshape(static_cast<int>(source.codec.image_height),
                static_cast<int>(source.codec.image_width), 3);
  std::vector<std::uint8_t> inks(std::size_t(image.width) * 4);
  source.run([&] {
    source.codec.out_color_space = JCS_CMYK;
    source.codec.dct_method = JDCT_ISLOW;
    source.codec.do_fancy_upsampling = TRUE;
    jpeg_start_decompress(&source.codec);
    std::uint8_t* out = image.pixels.data();
    while (source.codec.output_scanline < source.codec.output_height) {
      JSAMPROW row = inks.data();
      jpeg_read_scanlines(&source.codec, &row, 1);
      for (std::size_t x = 0; x < inks.size(); x += 4, out += 3) {
        const unsigned white = inks[x + 3];  // 255 - K of the inverted inks
        for (std::size_t c = 0; c < 3; ++c) {
          out[c] = static_cast<std::uint8_t>(white - scaled(255u - inks[x + c], white));
        }
      }
    }
    jpeg_finish_decompress(&source.codec);
  });
}

}  // namespace convoy
