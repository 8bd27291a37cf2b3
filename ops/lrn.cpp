#include "ops/lrn.h"

#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const Lrn& op, std::string_view place, std::span<const Shape> inputs) {
  require(op.size >= 1 && op.size % 2 == 1, ExitCode::config, place,
          "normalises over {} channels, expected an odd number", op.size);
  // With k of 0 a pixel of zeros would be 0 / 0.
  require(op.k > 0 && op.alpha >= 0 && op.beta >= 0, ExitCode::config, place,
          "alpha {}, beta {} and k {}, expected k above 0 and no negative alpha or beta", op.alpha,
          op.beta, op.k);
  return require_images(place, inputs);
}

}  // namespace convoy
