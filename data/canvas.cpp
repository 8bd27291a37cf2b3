#include "data/canvas.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace convoy {
namespace {

// Pillow's "L" (ITU-R 601-2 luma), in place.
void make_grey(Image& image) {
  const std::size_t count = image.pixels.size() / 3;
  std::uint8_t* pixels = image.pixels.data();
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* rgb = pixels + 3 * i;
    const std::uint32_t luma = 19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u;
    pixels[i] = static_cast<std::uint8_t>(luma >> 16);
  }
  image.reshape(image.height, image.width, 1);
}

using PixelTables = std::array<std::array<float, 256>, 3>;

// `count` pixels of one row, `step` bytes apart, to one row of each plane.
template <int channels>
void write_run(const std::uint8_t* pixel, std::ptrdiff_t step, int count, const PixelTables& tables,
               float* __restrict out, std::ptrdiff_t plane) {
  for (int x = 0; x < count; ++x, pixel += step) {
    for (int c = 0; c < channels; ++c) out[c * plane + x] = tables[c][pixel[c]];
  }
}

// Grey shown as `channels` equal ones.
void write_grey_run(const std::uint8_t* pixel, std::ptrdiff_t step, int count,
                    const PixelTables& tables, float* __restrict out, std::ptrdiff_t plane) {
  for (int x = 0; x < count; ++x, pixel += step) {
    for (int c = 0; c < 3; ++c) out[c * plane + x] = tables[c][*pixel];
  }
}

void fill_tables(const Normalize& normalize, CanvasScratch& scratch) {
  if (scratch.tables_of == normalize) return;
  for (int c = 0; c < 3; ++c) {
    for (int value = 0; value < 256; ++value) {
      scratch.tables[c][value] =
          (static_cast<float>(value) / 255.0f - normalize.mean[c]) / normalize.std[c];
    }
  }
  scratch.tables_of = normalize;
}

}  // namespace

Canvas::Canvas(Image& image, int channels, CanvasScratch& scratch)
    : image_(image), channels_(channels), scratch_(scratch) {
  if (channels == 1 && image.channels == 3) make_grey(image);
  scratch.holes.clear();
  show_all();
}

void Canvas::show_all() {
  window_ = visible_ = {0, 0, image_.height, image_.width};
  flipped_ = false;
}

// The window shows pixels of image_ as they lie there.
bool Canvas::is_plain() const {
  const Rect shown = intersection(visible_, window_);
  return !flipped_ && shown.height == window_.height && shown.width == window_.width;
}

void Canvas::crop(int top, int left, int height, int width) {
  visible_ = intersection(visible_, window_);
  const int shift = flipped_ ? window_.width - left - width : left;
  window_ = {window_.top + top, window_.left + shift, height, width};
}

void Canvas::resize(int height, int width) {
  if (height == window_.height && width == window_.width) return;
  if (!is_plain()) render();
  const std::ptrdiff_t stride = std::ptrdiff_t(image_.width) * image_.channels;
  const PixelView source{
      image_.pixels.data() + window_.top * stride + std::ptrdiff_t(window_.left) * image_.channels,
      window_.height, window_.width, image_.channels, stride};
  resize_bilinear(source, height, width, scratch_.resize, scratch_.image);
  std::swap(image_, scratch_.image);
  show_all();
}

// Makes the window's pixels those of image_.
void Canvas::render() {
  if (is_plain() && window_.height == image_.height && window_.width == image_.width) return;
  const Rect shown = intersection(visible_, window_);
  const int channels = image_.channels;
  Image& drawn = scratch_.image;
  drawn.reshape(window_.height, window_.width, channels);
  std::fill(drawn.pixels.begin(), drawn.pixels.end(), std::uint8_t{0});
  for (int y = shown.top; y < shown.bottom(); ++y) {
    for (int x = shown.left; x < shown.right(); ++x) {
      const int column = flipped_ ? window_.right() - 1 - x : x - window_.left;
      const auto from = (std::ptrdiff_t(y) * image_.width + x) * channels;
      const auto to = (std::ptrdiff_t(y - window_.top) * window_.width + column) * channels;
      std::copy_n(image_.pixels.begin() + from, channels, drawn.pixels.begin() + to);
    }
  }
  std::swap(image_, drawn);
  show_all();
}

void Canvas::cut_out(const Rect& part) {
  scratch_.holes.push_back(intersection(part, {0, 0, window_.height, window_.width}));
}

void Canvas::write_planes(const Normalize& normalize, std::span<float> out) {
  fill_tables(normalize, scratch_);
  const Rect shown = intersection(visible_, window_);
  const PixelTables& tables = scratch_.tables;
  const auto plane = std::ptrdiff_t(window_.height) * window_.width;
  if (shown.height < window_.height || shown.width < window_.width) {
    for (int c = 0; c < channels_; ++c) std::fill_n(out.data() + c * plane, plane, tables[c][0]);
  }
  const auto write = channels_ == 1         ? write_run<1>
                     : image_.channels == 3 ? write_run<3>
                                            : write_grey_run;
  const std::ptrdiff_t step = flipped_ ? -image_.channels : image_.channels;
  const int first = flipped_ ? shown.right() - 1 : shown.left;
  const int column = flipped_ ? window_.right() - shown.right() : shown.left - window_.left;
  for (int y = shown.top; y < shown.bottom(); ++y) {
    write(image_.pixels.data() + (std::ptrdiff_t(y) * image_.width + first) * image_.channels, step,
          shown.width, tables,
          out.data() + std::ptrdiff_t(y - window_.top) * window_.width + column, plane);
  }
  for (const Rect& hole : scratch_.holes) {  // the mean colour is zero once normalised
    for (int c = 0; c < channels_; ++c) {
      for (int y = hole.top; y < hole.bottom(); ++y) {
        std::fill_n(out.data() + c * plane + std::ptrdiff_t(y) * window_.width + hole.left,
                    hole.width, 0.0f);
      }
    }
  }
}

}  // namespace convoy
