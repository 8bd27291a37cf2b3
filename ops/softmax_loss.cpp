#include "ops/softmax_loss.h"

#include "ops/core/check.h"
#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const SoftmaxLoss& op, std::string_view place, std::span<const Shape> inputs) {
  require(op.smoothing >= 0 && op.smoothing < 1, ExitCode::config, place,
          "label smoothing is {}, expected at least 0 and below 1", op.smoothing);
  const Shape& src = require_rows(place, inputs);
  return {src[0]};
}

}  // namespace convoy
