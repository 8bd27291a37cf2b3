// Canvas: what the transforms have made of an image so far. Crops, padding and flips only move a
// window over it; pixels are touched when something needs them, or once at the end.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "data/geometry.h"
#include "data/image.h"
#include "data/resize.h"

namespace convoy {

// (u8 / 255 - mean) / std in float32, per channel.
struct Normalize {
  std::array<float, 3> mean{0, 0, 0};
  std::array<float, 3> std{1, 1, 1};
  bool operator==(const Normalize&) const = default;
};

// A thread's scratch: reused from image to image.
struct CanvasScratch {
  Image image;
  ResizeScratch resize;
  std::vector<Rect> holes;
  std::optional<Normalize> tables_of;
  std::array<std::array<float, 256>, 3> tables{};  // what each pixel value becomes, per channel
};

class Canvas {
 public:
  // Draws on `image`, consumed; both must outlive the canvas. With 1 `channel`, colour becomes grey
  // by Pillow's "L"; with 3, grey is repeated when written.
  Canvas(Image& image, int channels, CanvasScratch& scratch);

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
    change(image_);
    show_all();
  }
  // `part` of what is seen gets the mean colour when written. Nothing may move afterwards.
  void cut_out(const Rect& part);

  // What is seen, normalised, as planes [channels, height, width].
  void write_planes(const Normalize& normalize, std::span<float> out);

 private:
  void show_all();
  void render();
  bool is_plain() const;

  Image& image_;
  int channels_;
  CanvasScratch& scratch_;
  Rect window_{};   // in pixels of image_, from which it may stick out
  Rect visible_{};  // outside of it the window shows zeros
  bool flipped_ = false;
};

}  // namespace convoy
