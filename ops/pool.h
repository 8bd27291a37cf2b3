// Pooling over images: the maximum or the mean of each window, or the mean of each whole channel.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/geometry.h"
#include "ops/parameter.h"

namespace convoy {

enum class PoolKind { max, average };

// Max: padding never wins. Average: padding counts as zeros in the sum and, with count_padding, in
// the divisor (the default of torch.nn.AvgPool2d).
struct Pool {
  PoolKind kind = PoolKind::max;
  Extent kernel = 2;
  Extent stride = 2;
  Padding pad = 0;
  bool count_padding = true;
};

// Mean over height and width: NCHW -> NC11.
struct GlobalPool {};

// Padding must be smaller than the kernel, so that every window sees at least one pixel.
Shape output_shape(const Pool& op, std::string_view place, std::span<const Shape> inputs);
Shape output_shape(const GlobalPool& op, std::string_view place, std::span<const Shape> inputs);
inline std::vector<ParameterSpec> parameters(const Pool&, std::span<const Shape>) {
  return {};
}
inline std::vector<ParameterSpec> parameters(const GlobalPool&, std::span<const Shape>) {
  return {};
}
inline double multiply_adds(const Pool&, std::span<const Shape>) {
  return 0;
}
inline double multiply_adds(const GlobalPool&, std::span<const Shape>) {
  return 0;
}

}  // namespace convoy
