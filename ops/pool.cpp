#include "ops/pool.h"

#include <algorithm>

#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const Pool& op, std::string_view place, std::span<const Shape> inputs) {
  const Shape& src = require_images(place, inputs);
  const auto outputs = [&](std::int64_t in, int before, int after, int kernel, int stride) {
    return op.ceil ? window_outputs_ceil(place, in, before, after, kernel, stride)
                   : window_outputs(place, in, before, after, kernel, stride, 1);
  };
  const std::int64_t h = outputs(src[2], op.pad.top, op.pad.bottom, op.kernel.h, op.stride.h);
  const std::int64_t w = outputs(src[3], op.pad.left, op.pad.right, op.kernel.w, op.stride.w);
  // So that no window lies wholly in the padding, where a maximum or a mean would be of nothing.
  require(op.pad.top < op.kernel.h && op.pad.bottom < op.kernel.h && op.pad.left < op.kernel.w &&
              op.pad.right < op.kernel.w,
          ExitCode::config, place,
          "padding {}, {}, {}, {} (top, left, bottom, right), expected less than the kernel {}x{}",
          op.pad.top, op.pad.left, op.pad.bottom, op.pad.right, op.kernel.h, op.kernel.w);
  return {src[0], src[1], h, w};
}

Shape output_shape(const GlobalPool&, std::string_view place, std::span<const Shape> inputs) {
  const Shape& src = require_images(place, inputs);
  return {src[0], src[1], 1, 1};
}

Padding reached_padding(const Pool& op, const Shape& src, const Shape& dst) {
  const auto after = [](std::int64_t in, std::int64_t out, int before, int kernel, int stride) {
    return std::max(0, static_cast<int>((out - 1) * stride + kernel - in - before));
  };
  return {op.pad.top, op.pad.left, after(src[2], dst[2], op.pad.top, op.kernel.h, op.stride.h),
          after(src[3], dst[3], op.pad.left, op.kernel.w, op.stride.w)};
}

Shape output_shape(const AdaptivePool& op, std::string_view place, std::span<const Shape> inputs) {
  const Shape& src = require_images(place, inputs);
  require(op.height >= 1 && op.width >= 1, ExitCode::config, place,
          "pools to {}x{}, expected sizes of at least 1", op.height, op.width);
  return {src[0], src[1], op.height, op.width};
}

}  // namespace convoy
