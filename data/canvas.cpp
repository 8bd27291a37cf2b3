#include "data/canvas.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "data/color.h"

namespace convoy {

namespace {

void make_grey(const PixelView& colour, Image& grey) {
  grey.reshape(colour.height, colour.width, 1);
  std::uint8_t* result = grey.pixels.data();
  for (int y = 0; y < colour.height; ++y) {
    const std::uint8_t* rgb = colour.at(y, 0);
    for (int x = 0; x < colour.width; ++x, rgb += 3) *result++ = luma(rgb);
  }
}

// Round to nearest even; pixels are finite.
std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

}  // namespace

// What each pixel value becomes, per channel, and what a normalised one.
template <class T>
struct Colours {
  const PixelTables<T>& tables;
  T of(int c, std::uint8_t value) const { return tables[c][value]; }
  T of_normalized(int, float value) const {
    if constexpr (std::is_same_v<T, float>)
      return value;
    else
      return to_bf16(value);
  }
};
template <>
struct Colours<std::uint8_t> {
  const Normalize& normalize;
  std::uint8_t of(int, std::uint8_t value) const { return value; }
  std::uint8_t of_normalized(int c, float value) const {
    const float pixel = std::round(255 * (value * normalize.std[c] + normalize.mean[c]));
    return static_cast<std::uint8_t>(std::clamp(pixel, 0.0f, 255.0f));
  }
};

namespace {

void fill_tables(const Normalize& normalize, CanvasScratch& scratch) {
  if (scratch.tables_of == normalize) return;
  for (int c = 0; c < 3; ++c) {
    for (int value = 0; value < 256; ++value) {
      const float normalized =
          (static_cast<float>(value) / 255.0f - normalize.mean[c]) / normalize.std[c];
      scratch.f32[c][value] = normalized;
      scratch.bf16[c][value] = to_bf16(normalized);
    }
  }
  scratch.tables_of = normalize;
}

// Where the pixels go: element (c, y, x) is at c * channel + y * row + x * pixel.
template <class T>
struct Target {
  T* begin;
  std::ptrdiff_t channel, row, pixel;
  int channels;

  T* at(int y, int x) const { return begin + y * row + x * pixel; }
};

template <int channels, class T>
void write_colour(const std::uint8_t* pixels, int count, const Colours<T>& colours,
                  const Target<T>& target, T* __restrict out) {
  const std::ptrdiff_t channel = channels == 1 ? 0 : target.channel, pixel = target.pixel;
  for (int x = 0; x < count; ++x, pixels += channels) {
    for (int c = 0; c < channels; ++c) out[c * channel + x * pixel] = colours.of(c, pixels[c]);
  }
}

// Grey shown as three equal channels.
template <class T>
void write_grey(const std::uint8_t* pixels, int count, const Colours<T>& colours,
                const Target<T>& target, T* __restrict out) {
  for (int x = 0; x < count; ++x) {
    for (int c = 0; c < 3; ++c) {
      out[c * target.channel + x * target.pixel] = colours.of(c, pixels[x]);
    }
  }
}

template <class T>
void fill(const Rect& part, const std::array<T, 3>& colour, const Target<T>& target) {
  for (int y = part.top; y < part.bottom(); ++y) {
    for (int c = 0; c < target.channels; ++c) {
      T* out = target.at(y, part.left) + c * target.channel;
      for (int x = 0; x < part.width; ++x) out[x * target.pixel] = colour[c];
    }
  }
}

template <class T>
void fill_with_noise(const Rect& part, Random& noise, const Colours<T>& colours,
                     const Target<T>& target) {
  for (int y = part.top; y < part.bottom(); ++y) {
    for (int c = 0; c < target.channels; ++c) {
      T* out = target.at(y, part.left) + c * target.channel;
      for (int x = 0; x < part.width; ++x) {
        out[x * target.pixel] = colours.of_normalized(c, noise.normal());
      }
    }
  }
}

}  // namespace

Canvas::Canvas(ImageSource& source, int channels, bool whole, CanvasScratch& scratch)
    : source_(&source), channels_(channels), whole_(whole), scratch_(scratch) {
  scratch.holes.clear();
  show_all();
}

void Canvas::show_all() {
  const ImageInfo info = source_->info();
  height_ = info.height;
  width_ = info.width;
  part_ = window_ = visible_ = {0, 0, height_, width_};
  flipped_ = false;
}

// From now on the canvas is scratch_.drawn.
void Canvas::show_drawn() {
  drawn_source_ = PixelsInMemory(view_of(scratch_.drawn));
  source_ = &drawn_source_;
  show_all();
}

void Canvas::crop(int top, int left, int height, int width) {
  visible_ = intersection(visible_, window_);
  const int shift = flipped_ ? window_.width - left - width : left;
  window_ = {window_.top + top, window_.left + shift, height, width};
}

void Canvas::resize(int height, int width) {
  if (height == window_.height && width == window_.width) return;
  const bool resized = height_ != part_.height || width_ != part_.width;
  if (resized || flipped_ || intersection(visible_, window_) != window_) render();
  part_ = {part_.top + window_.top, part_.left + window_.left, window_.height, window_.width};
  height_ = height;
  width_ = width;
  window_ = visible_ = {0, 0, height, width};
}

// A part of the source, with as many channels as the output or grey.
PixelView Canvas::read(const Rect& part) {
  const ImageInfo info = source_->info();
  const PixelView view =
      whole_ ? part_of(source_->read({0, 0, info.height, info.width}), part) : source_->read(part);
  if (channels_ == 3 || view.channels == 1) return view;
  make_grey(view, scratch_.grey);
  return view_of(scratch_.grey);
}

// Calls use(y, x, row, count) for each row of the window that shows pixels: `count` of them from
// (y, x) on, flipped if they are. `prepare(channels)` comes before.
template <class Prepare, class UseRow>
void Canvas::draw(const Prepare& prepare, const UseRow& use) {
  const Rect shown = intersection(visible_, window_);
  if (shown.height == 0 || shown.width == 0) return prepare(1);
  ResizeTaps& rows = scratch_.resize.rows;
  ResizeTaps& columns = scratch_.resize.columns;
  rows.compute(part_.height, height_, shown.top, shown.bottom(), false);
  columns.compute(part_.width, width_, shown.left, shown.right(), flipped_);
  const PixelView view =
      read({part_.top + rows.source_begin, part_.left + columns.source_begin,
            rows.source_end - rows.source_begin, columns.source_end - columns.source_begin});
  prepare(view.channels);
  ResizedRows resized(view, scratch_.resize);
  const int top = shown.top - window_.top;
  const int left = flipped_ ? window_.right() - shown.right() : shown.left - window_.left;
  for (int y = 0; y < shown.height; ++y) use(top + y, left, resized.row(y), shown.width);
}

// Makes what is seen the canvas.
void Canvas::render() {
  Image& spare = scratch_.spare;
  draw(
      [&](int channels) {
        spare.reshape(window_.height, window_.width, channels);
        if (intersection(visible_, window_) != window_) {
          std::fill(spare.pixels.begin(), spare.pixels.end(), std::uint8_t{0});
        }
      },
      [&](int y, int x, const std::uint8_t* row, int count) {
        const std::ptrdiff_t at = std::ptrdiff_t(y) * spare.width + x;
        std::copy_n(row, count * spare.channels, spare.pixels.data() + at * spare.channels);
      });
  std::swap(scratch_.drawn, spare);
  show_drawn();
}

void Canvas::cut_out(const Rect& part, float value, std::optional<Random> noise) {
  const Rect seen{0, 0, window_.height, window_.width};
  scratch_.holes.push_back({intersection(part, seen), value, std::move(noise)});
}

template <class T>
void Canvas::write_all(const Colours<T>& colours, bool interleaved, T* out) {
  const std::ptrdiff_t plane = std::ptrdiff_t(window_.height) * window_.width;
  const Target<T> target =
      interleaved
          ? Target<T>{out, 1, std::ptrdiff_t(window_.width) * channels_, channels_, channels_}
          : Target<T>{out, plane, window_.width, 1, channels_};
  auto write = write_colour<1, T>;
  draw(
      [&](int channels) {
        if (channels_ == 3) write = channels == 3 ? write_colour<3, T> : write_grey<T>;
        if (intersection(visible_, window_) != window_) {
          const std::array<T, 3> zero{colours.of(0, 0), colours.of(1, 0), colours.of(2, 0)};
          fill({0, 0, window_.height, window_.width}, zero, target);
        }
      },
      [&](int y, int x, const std::uint8_t* row, int count) {
        write(row, count, colours, target, target.at(y, x));
      });
  for (auto& [part, value, noise] : scratch_.holes) {
    if (noise) {
      fill_with_noise(part, *noise, colours, target);
      continue;
    }
    const std::array<T, 3> colour{colours.of_normalized(0, value), colours.of_normalized(1, value),
                                  colours.of_normalized(2, value)};
    fill(part, colour, target);
  }
}

void Canvas::write(const Normalize& normalize, PixelFormat format, std::span<std::byte> out) {
  fill_tables(normalize, scratch_);
  const bool interleaved = format.interleaved;
  switch (format.type) {
    case PixelType::f32:
      return write_all<float>({scratch_.f32}, interleaved, reinterpret_cast<float*>(out.data()));
    case PixelType::bf16:
      return write_all<std::uint16_t>({scratch_.bf16}, interleaved,
                                      reinterpret_cast<std::uint16_t*>(out.data()));
    case PixelType::u8:
      return write_all<std::uint8_t>({normalize}, interleaved,
                                     reinterpret_cast<std::uint8_t*>(out.data()));
  }
}

}  // namespace convoy
