#include "ops/squared_error.h"

#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const SquaredError&, std::string_view place, std::span<const Shape> inputs) {
  return {require_rows(place, inputs)[0]};
}

}  // namespace convoy
