// Canvas: what the transforms have made of an image so far. Crops, padding and flips only move a
// window over it, and a resize is only noted; pixels are read, resized and flipped when something
// needs them, mostly once at the end, and then only those that are seen.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "data/geometry.h"
#include "data/image.h"
#include "data/resize.h"
#include "ops/core/random.h"

namespace convoy {

// (u8 / 255 - mean) / std in float32, per channel.
struct Normalize {
  std::array<float, 3> mean{0, 0, 0};
  std::array<float, 3> std{1, 1, 1};
  bool operator==(const Normalize&) const = default;
};

// How pixels lie in memory: as planes [channels, height, width] or interleaved [height, width,
// channels].
enum class PixelType { f32, bf16, u8 };
struct PixelFormat {
  PixelType type = PixelType::f32;
  bool interleaved = false;
};
constexpr std::size_t size_of(PixelType type) {
  return type == PixelType::f32 ? 4 : type == PixelType::bf16 ? 2 : 1;
}

// What each pixel value becomes, per channel.
template <class T>
using PixelTables = std::array<std::array<T, 256>, 3>;

template <class T>
struct Colours;

// A part of what is seen that shows `value` once normalised, or normal noise.
struct Hole {
  Rect part;
  float value;
  std::optional<Random> noise;
};

// A thread's scratch: reused from image to image.
struct CanvasScratch {
  Image drawn, spare, grey;
  ResizeScratch resize;
  std::vector<Hole> holes;
  std::optional<Normalize> tables_of;
  PixelTables<float> f32;
  PixelTables<std::uint16_t> bf16;
};

class Canvas {
 public:
  // Shows `source`; all must outlive the canvas. With 1 `channel`, colour becomes grey by Pillow's
  // "L"; with 3, grey is repeated when written. `whole`: pixels that nobody sees are read too.
  Canvas(ImageSource& source, int channels, bool whole, CanvasScratch& scratch);

  // Of what is seen.
  int height() const { return window_.height; }
  int width() const { return window_.width; }

  // `top` and `left` count from the corner of what is seen; what lies beyond the image is zero.
  void crop(int top, int left, int height, int width);
  void flip() { flipped_ = !flipped_; }
  void resize(int height, int width);
  // What is seen, as pixels that the caller may change: the way in for whatever computes new
  // colours. The size may change with them; channels (1 or 3, those of the source) may not.
  template <class Change>
  void repaint(const Change& change) {
    render();
    change(scratch_.drawn);
    show_drawn();
  }
  // `part` of what is seen gets `value` when written, 0 is the mean colour; or, with `noise`,
  // normal draws from it. Nothing may move afterwards.
  void cut_out(const Rect& part, float value = 0, std::optional<Random> noise = {});

  // What is seen, normalised (bytes are left as they are), to all of `out`.
  void write(const Normalize& normalize, PixelFormat format, std::span<std::byte> out);

 private:
  void show_all();
  void show_drawn();
  void render();
  PixelView read(const Rect& part);
  template <class Prepare, class UseRow>
  void draw(const Prepare& prepare, const UseRow& use);
  template <class T>
  void write_all(const Colours<T>& colours, bool interleaved, T* out);

  ImageSource* source_;
  PixelsInMemory drawn_source_{{}};  // scratch_.drawn, once something is drawn
  int channels_;
  bool whole_;
  CanvasScratch& scratch_;
  // The canvas: this part of the source, resized to that size.
  Rect part_{};
  int height_ = 0, width_ = 0;
  Rect window_{};   // in pixels of the canvas, from which it may stick out
  Rect visible_{};  // outside of it the window shows zeros
  bool flipped_ = false;
};

}  // namespace convoy
