// Resize: Pillow's antialiased bilinear filter, equal to it in every bit.
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

// Which pixels of one axis make each output pixel, in what proportion.
struct ResizeTaps {
  int in = 0;
  int out = 0;
  int stride = 0;                     // weights per output pixel, the unused ones zero
  std::vector<int> first;             // [out]
  std::vector<int> count;             // [out]
  std::vector<std::int32_t> weights;  // [out, stride], fixed point with 22 fractional bits
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
