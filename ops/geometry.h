// Geometry shared by convolution and pooling: extents in height and width, and the size of a
// sliding window's output.
#pragma once

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

}  // namespace convoy
