#include "ops/activation.h"

#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const Activation&, std::string_view place, std::span<const Shape> inputs) {
  require_inputs(place, inputs, 1);
  return inputs[0];
}

Shape output_shape(const Add&, std::string_view place, std::span<const Shape> inputs) {
  return require_pair(place, inputs);
}

Shape output_shape(const Flatten&, std::string_view place, std::span<const Shape> inputs) {
  const Shape& src = require_images(place, inputs);
  return {src[0], src[1] * src[2] * src[3]};
}

}  // namespace convoy
