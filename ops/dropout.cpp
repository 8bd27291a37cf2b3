#include "ops/dropout.h"

#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const Dropout& op, std::string_view place, std::span<const Shape> inputs) {
  require(op.probability >= 0 && op.probability < 1, ExitCode::config, place,
          "drops with probability {}, expected at least 0 and below 1", op.probability);
  return require_images_or_rows(place, inputs);
}

}  // namespace convoy
