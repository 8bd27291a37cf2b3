// The passes of a resize as each instruction set does them. Private to data/resize*.
#pragma once

#include "data/resize.h"

namespace convoy {

extern const ResizeKernels resize_portable;
extern const ResizeKernels resize_avx2;
extern const ResizeKernels resize_avx512;  // with VBMI and VNNI: Ice Lake, Zen 4 and later

// Each file has its own copy, compiled for its instruction set: a shared one might be run by a
// processor that lacks it.
namespace {

// One output pixel of one row.
template <int channels>
[[maybe_unused]] void narrow_pixel(const std::uint8_t* row, const ResizeTaps& taps, int i,
                                   std::uint8_t* result) {
  const std::uint8_t* pixel = row + static_cast<std::ptrdiff_t>(taps.first[i]) * channels;
  const std::int32_t* weights = taps.weights_of(i);
  std::int32_t sums[channels];
  for (int c = 0; c < channels; ++c) sums[c] = weight_half;
  for (int t = 0; t < taps.count[i]; ++t) {
    for (int c = 0; c < channels; ++c) sums[c] += weights[t] * pixel[t * channels + c];
  }
  for (int c = 0; c < channels; ++c) {
    const std::int32_t value = sums[c] >> weight_bits;
    result[i * channels + c] = static_cast<std::uint8_t>(value < 255 ? value : 255);
  }
}

// Bytes [x, bytes) of one output row.
[[maybe_unused]] void blend_bytes(const std::uint8_t* source, std::ptrdiff_t stride,
                                  const ResizeTaps& taps, int y, std::size_t x, std::size_t bytes,
                                  std::uint8_t* result) {
  const std::uint8_t* from = source + taps.first[y] * stride;
  const std::int32_t* weights = taps.weights_of(y);
  for (; x < bytes; ++x) {
    std::int32_t sum = weight_half;
    for (int t = 0; t < taps.count[y]; ++t) sum += weights[t] * from[t * stride + x];
    const std::int32_t value = sum >> weight_bits;
    result[x] = static_cast<std::uint8_t>(value < 255 ? value : 255);
  }
}

}  // namespace

}  // namespace convoy
