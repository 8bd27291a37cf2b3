#include "ops/softmax_loss.h"

#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const SoftmaxLoss&, std::string_view place, std::span<const Shape> inputs) {
  const Shape& src = require_rows(place, inputs);
  return {src[0]};
}

}  // namespace convoy
