// Geometry shared by convolution and pooling: extents in height and width, and the size of a
// sliding window's output.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "ops/core/check.h"

namespace convoy {

// A pair over (height, width); one number means both.
struct Extent {
  constexpr Extent(int both) : h(both), w(both) {}
  constexpr Extent(int height, int width) : h(height), w(width) {}
  constexpr bool operator==(const Extent&) const = default;
  int h;
  int w;
};

// Pixels of zero (or, for max pooling, of nothing) around the input.
struct Padding {
  constexpr Padding(int all) : top(all), left(all), bottom(all), right(all) {}
  constexpr Padding(int t, int l, int b, int r) : top(t), left(l), bottom(b), right(r) {}
  constexpr bool operator==(const Padding&) const = default;
  int top;
  int left;
  int bottom;
  int right;
};

// floor((in + before + after - (dilation * (kernel - 1) + 1)) / stride) + 1. Error(config) where
// the window does not fit.
inline std::int64_t window_outputs(std::string_view place, std::int64_t in, int before, int after,
                                   int kernel, int stride, int dilation) {
  require(kernel >= 1 && stride >= 1 && dilation >= 1 && before >= 0 && after >= 0,
          ExitCode::config, place,
          "kernel {}, stride {}, dilation {}, padding {}+{}: expected sizes of at least 1 and no "
          "negative padding",
          kernel, stride, dilation, before, after);
  const std::int64_t window = std::int64_t{dilation} * (kernel - 1) + 1;
  const std::int64_t padded = in + before + after;
  require(window <= padded, ExitCode::config, place,
          "a window of {} does not fit an input of {} padded to {}", window, in, padded);
  return (padded - window) / stride + 1;
}

// Where sizes are rounded up (as in PyTorch): one window more if a remainder is left, provided that
// it begins before the end of the input.
inline std::int64_t window_outputs_ceil(std::string_view place, std::int64_t in, int before,
                                        int after, int kernel, int stride) {
  const std::int64_t floor = window_outputs(place, in, before, after, kernel, stride, 1);
  const bool rest = (in + before + after - kernel) % stride != 0;
  return rest && floor * stride < in + before ? floor + 1 : floor;
}

// No padding: every window lies inside the input.
constexpr Padding valid_padding() {
  return 0;
}

// All windows that touch the input.
constexpr Padding full_padding(Extent kernel, Extent dilation = 1) {
  const int h = dilation.h * (kernel.h - 1), w = dilation.w * (kernel.w - 1);
  return {h, w, h, w};
}

// ceil(in / stride) outputs, whatever the kernel; where the padding is odd, the extra row or column
// is at the end (TensorFlow's "SAME").
constexpr Padding same_padding(Extent in, Extent kernel, Extent stride = 1, Extent dilation = 1) {
  const auto total = [](int size, int k, int s, int d) {
    const int outputs = (size + s - 1) / s;
    return std::max(0, (outputs - 1) * s + d * (k - 1) + 1 - size);
  };
  const int h = total(in.h, kernel.h, stride.h, dilation.h);
  const int w = total(in.w, kernel.w, stride.w, dilation.w);
  return {h / 2, w / 2, h - h / 2, w - w / 2};
}

}  // namespace convoy
