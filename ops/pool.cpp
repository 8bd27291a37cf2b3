#include "ops/pool.h"

#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const Pool& op, std::string_view place, std::span<const Shape> inputs) {
  const Shape& src = require_images(place, inputs);
  const std::int64_t h =
      window_outputs(place, src[2], op.pad.top, op.pad.bottom, op.kernel.h, op.stride.h, 1);
  const std::int64_t w =
      window_outputs(place, src[3], op.pad.left, op.pad.right, op.kernel.w, op.stride.w, 1);
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

}  // namespace convoy
