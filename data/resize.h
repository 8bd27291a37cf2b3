// Resize: Pillow's antialiased bilinear filter, equal to it in every bit.
//
// The reference is Pillow up to 12: the horizontal pass first, its result rounded to 8 bits. Pillow
// 13 begins with the vertical pass where that is less work, which moves some pixels by one level.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/image.h"

namespace convoy {

// Part of an image: rows are `stride` bytes apart. Owns nothing.
struct PixelView {
  const std::uint8_t* pixels = nullptr;
  int height = 0;
  int width = 0;
  int channels = 0;
  std::ptrdiff_t stride = 0;
};

// Which pixels of one axis make each output pixel, and in what proportion. A weight is fixed point
// with 22 fractional bits; because processors multiply pairs of 16-bit numbers fastest, it is also
// kept as two halves of 11 bits: pixel * weight = (pixel * high << 11) + pixel * low.
struct ResizeTaps {
  struct Pair {  // of two neighbouring input pixels
    std::int16_t high[2];
    std::int16_t low[2];
  };
  int in = 0;
  int out = 0;
  int stride = 0;                     // weights per output pixel; even
  std::vector<int> first;             // [out] input pixel
  std::vector<int> count;             // [out] input pixels
  std::vector<std::int32_t> weights;  // [out, stride], zero beyond `count`
  std::vector<Pair> pairs;            // [out, stride / 2], the same in halves
};

// A thread's scratch: reused from image to image.
struct ResizeScratch {
  ResizeTaps rows, columns;
  std::vector<std::uint8_t> narrowed;  // after the horizontal pass
};

// `result` must not own the pixels of `source`. Taps clamp at the borders of `source`, whatever
// lies beyond in the image it is part of.
void resize_bilinear(const PixelView& source, int height, int width, ResizeScratch& scratch,
                     Image& result);

}  // namespace convoy
