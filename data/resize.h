// Resize: Pillow's antialiased bilinear filter, equal to it in every bit, on every processor.
//
// The reference is Pillow up to 12: the horizontal pass first, its result rounded to 8 bits. Pillow
// 13 begins with the vertical pass where that is less work, which moves some pixels by one level.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "data/image.h"

namespace convoy {

// Which pixels of one axis make each of some output pixels, and in what proportion.
struct ResizeTaps {
  int in = 0, out = 0;     // the axis before and after
  int begin = 0, end = 0;  // of the output pixels that are made
  bool reversed = false;   // they are listed from the last to the first
  int source_begin = 0;    // of the input pixels that this takes
  int source_end = 0;
  int stride = 0;                     // weights per output pixel; a multiple of 4
  std::vector<int> first;             // [end - begin] input pixel, counted from source_begin
  std::vector<int> count;             // [end - begin] input pixels
  std::vector<std::int32_t> weights;  // [end - begin, stride], fixed point, zero beyond `count`
  std::vector<double> shares;         // of one output pixel, while it is computed

  int size() const { return end - begin; }
  bool changes() const { return in != out || reversed; }
  const std::int32_t* weights_of(int i) const {
    return weights.data() + std::ptrdiff_t(i) * stride;
  }

  void compute(int in, int out, int begin, int end, bool reversed);
};

inline constexpr int weight_bits =
    22;  // of fraction: 8-bit pixels and 2 bits of headroom leave these
inline constexpr std::int32_t weight_half = 1 << (weight_bits - 1);

// One step of the horizontal pass where bytes can be permuted: a load of up to 64 bytes of a row,
// and what each of 16 bytes of the output takes from them.
struct alignas(64) ResizeStep {
  std::array<std::uint8_t, 64> bytes;                  // [16, 4 taps], of the 64
  std::array<std::array<std::int8_t, 64>, 3> weights;  // [digit, 16, 4 taps]
  std::uint64_t mask;                                  // of the 64, those that the row has
  std::int32_t offset;                                 // of the load in the row, in bytes
  bool last;                                           // of the steps of these 16
};

// A thread's scratch: reused from image to image.
struct ResizeScratch {
  ResizeTaps rows, columns;
  std::vector<ResizeStep> steps;
  std::vector<std::uint8_t> narrowed;  // after the horizontal pass
  std::vector<std::uint8_t> row;
};

// The two passes, for one instruction set. All give the same bits.
struct ResizeKernels {
  // Each row of `source`, whose columns are those that `columns` takes, to one row of `result`.
  void (*narrow)(const PixelView& source, const ResizeTaps& columns, ResizeScratch& scratch,
                 std::uint8_t* result, std::ptrdiff_t result_stride);
  // Output row `y` from `source`, whose rows are those that `rows` takes, each of `bytes` bytes.
  void (*blend)(const std::uint8_t* source, std::ptrdiff_t stride, const ResizeTaps& rows, int y,
                std::size_t bytes, std::uint8_t* result);
};

// Those that this processor can run, the fastest last.
std::vector<const ResizeKernels*> resize_kernels();
const ResizeKernels& best_resize_kernels();

// Hands out the rows of a resized image. Only the source pixels that are needed must be there:
// `needed` is rows [rows.source_begin, rows.source_end) and likewise columns of the source, with
// scratch.rows and scratch.columns computed before.
class ResizedRows {
 public:
  ResizedRows(const PixelView& needed, ResizeScratch& scratch,
              const ResizeKernels& kernels = best_resize_kernels());
  // Row `y`, counted from rows.begin: columns.size() pixels, until the next call.
  const std::uint8_t* row(int y);

 private:
  PixelView source_;  // after the horizontal pass
  ResizeScratch& scratch_;
  const ResizeKernels& kernels_;
};

// The whole of `source`; taps clamp at its borders, whatever lies beyond in the image it is part
// of.
void resize_bilinear(const PixelView& source, int height, int width, ResizeScratch& scratch,
                     Image& result);

}  // namespace convoy
