#include "data/png.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>

#include "ops/core/check.h"

namespace convoy {
namespace {

// What an ancillary chunk (text, colour profile) may take once inflated. None of them is used.
constexpr png_alloc_size_t max_chunk_bytes = 8 << 20;

// One decoding. libpng reports an error by on_error(), which jumps back to guarded().
struct Reader {
  std::span<const std::byte> bytes;  // not yet read
  std::array<char, 128> message{};
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit Reader(std::span<const std::byte> all);
  Reader(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  Reader& reader = *static_cast<Reader*>(png_get_error_ptr(png));
  std::snprintf(reader.message.data(), reader.message.size(), "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep into, std::size_t count) {
  Reader& reader = *static_cast<Reader*>(png_get_io_ptr(png));
  if (count > reader.bytes.size()) png_error(png, "the data end early");
  std::memcpy(into, reader.bytes.data(), count);
  reader.bytes = reader.bytes.subspan(count);
}

// Runs calls into the library; false if one of them failed. `step` must not hold anything that
// needs a destructor: a failure jumps over it.
template <class Step>
bool guarded(Reader& reader, const Step& step) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  step();
  return true;
}

Reader::Reader(std::span<const std::byte> all) : bytes(all) {
  png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
  require(png != nullptr, ExitCode::internal, "libpng", "cannot be started");
  info = png_create_info_struct(png);
  if (info == nullptr) png_destroy_read_struct(&png, nullptr, nullptr);
  require(info != nullptr, ExitCode::internal, "libpng", "cannot be started");
  png_set_read_fn(png, this, on_read);
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // require_image_size() is the limit
  png_set_chunk_malloc_max(png, max_chunk_bytes);
}

[[noreturn]] void fail_damaged(const Reader& reader, std::string_view place) {
  fail(ExitCode::data, place, "damaged PNG image: {}", reader.message.data());
}

ImageInfo read_header(Reader& reader, std::string_view place) {
  if (!guarded(reader, [&] { png_read_info(reader.png, reader.info); })) {
    fail_damaged(reader, place);
  }
  const auto height = png_get_image_height(reader.png, reader.info);
  const auto width = png_get_image_width(reader.png, reader.info);
  require_image_size(height, width, place);
  const bool colour = png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_COLOR;
  return {ImageType::png, static_cast<int>(height), static_cast<int>(width), colour ? 3 : 1};
}

void read_pixels(Reader& reader, Image& image) {
  png_structp png = reader.png;
  const int type = png_get_color_type(png, reader.info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  const int passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader.info);
  const std::size_t stride = std::size_t(image.width) * image.channels;
  if (png_get_rowbytes(png, reader.info) != stride) png_error(png, "unexpected row size");
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < image.height; ++y) {
      png_read_row(png, image.pixels.data() + y * stride, nullptr);
    }
  }
  png_read_end(png, nullptr);
}

}  // namespace

ImageInfo probe_png(std::span<const std::byte> bytes, std::string_view place) {
  Reader reader(bytes);
  return read_header(reader, place);
}

void decode_png(std::span<const std::byte> bytes, std::string_view place, Image& image) {
  Reader reader(bytes);
  const ImageInfo info = read_header(reader, place);
  image.reshape(info.height, info.width, info.channels);
  if (!guarded(reader, [&] { read_pixels(reader, image); })) fail_damaged(reader, place);
}

std::vector<std::byte> encode_png(const Image& image) {
  require_image_size(image.height, image.width, "PNG encoder");
  png_image header{.version = PNG_IMAGE_VERSION};
  header.width = static_cast<png_uint_32>(image.width);
  header.height = static_cast<png_uint_32>(image.height);
  header.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(header);
  std::vector<std::byte> bytes(size);
  const int done =
      png_image_write_to_memory(&header, bytes.data(), &size, 0, image.pixels.data(), 0, nullptr);
  require(done != 0, ExitCode::internal, "PNG encoder", "{}", header.message);
  bytes.resize(size);
  return bytes;
}

}  // namespace convoy
