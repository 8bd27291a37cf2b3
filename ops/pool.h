// Pooling over images: the maximum, mean or norm of each window, the mean of each whole channel, or
// the means of a fixed number of parts of it.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/geometry.h"
#include "ops/parameter.h"

namespace convoy {

enum class PoolKind { max, average, l2 };

// Max: padding never wins. Average: padding counts as zeros in the sum and, with count_padding, in
// the divisor (the default of torch.nn.AvgPool2d). L2: the square root of the sum of squares, whose
// gradient is zero where it is zero (torch.nn.LPPool2d(2, ...)).
struct Pool {
  PoolKind kind = PoolKind::max;
  Extent kernel = 2;
  Extent stride = 2;
  Padding pad = 0;
  bool count_padding = true;
  // Sizes are rounded up: a last window may reach beyond the padded input if it begins before the
  // end of the input. What lies beyond counts neither in a sum nor in a divisor (as in PyTorch).
  bool ceil = false;
};

// The padding that the windows of `op` reach into: less than op.pad where they end early, more
// where sizes are rounded up.
Padding reached_padding(const Pool& op, const Shape& src, const Shape& dst);

// Mean over height and width: NCHW -> NC11.
struct GlobalPool {};

// Means over height x width parts, which overlap where they do not divide the input: part i of n
// covers floor(i * in / n) to ceil((i + 1) * in / n), as in torch.nn.AdaptiveAvgPool2d. At equal
// sizes it is the identity.
struct AdaptivePool {
  int height = 1;
  int width = 1;
};

// Padding must be smaller than the kernel, so that every window sees at least one pixel.
Shape output_shape(const Pool& op, std::string_view place, std::span<const Shape> inputs);
Shape output_shape(const GlobalPool& op, std::string_view place, std::span<const Shape> inputs);
Shape output_shape(const AdaptivePool& op, std::string_view place, std::span<const Shape> inputs);
inline std::vector<ParameterSpec> parameters(const Pool&, std::span<const Shape>) {
  return {};
}
inline std::vector<ParameterSpec> parameters(const GlobalPool&, std::span<const Shape>) {
  return {};
}
inline std::vector<ParameterSpec> parameters(const AdaptivePool&, std::span<const Shape>) {
  return {};
}
inline double multiply_adds(const Pool&, std::span<const Shape>) {
  return 0;
}
inline double multiply_adds(const GlobalPool&, std::span<const Shape>) {
  return 0;
}
inline double multiply_adds(const AdaptivePool&, std::span<const Shape>) {
  return 0;
}

}  // namespace convoy
