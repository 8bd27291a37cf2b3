// What every op checks of its inputs before it computes their shapes.
#pragma once

#include <span>
#include <string_view>

#include "ops/core/check.h"
#include "ops/core/shape.h"

namespace convoy {

inline void require_inputs(std::string_view place, std::span<const Shape> inputs,
                           std::size_t expected) {
  require(inputs.size() == expected, ExitCode::config, place, "has {} inputs, expected {}",
          inputs.size(), expected);
}

// One input, [N, C, H, W].
inline const Shape& require_images(std::string_view place, std::span<const Shape> inputs) {
  require_inputs(place, inputs, 1);
  require(inputs[0].rank() == 4, ExitCode::config, place,
          "input is {}, expected images [N, C, H, W]", inputs[0].text());
  return inputs[0];
}

// One input, [N, features].
inline const Shape& require_rows(std::string_view place, std::span<const Shape> inputs) {
  require_inputs(place, inputs, 1);
  require(inputs[0].rank() == 2, ExitCode::config, place,
          "input is {}, expected [N, features]; images need a flatten first", inputs[0].text());
  return inputs[0];
}

// One input, either of these.
inline const Shape& require_images_or_rows(std::string_view place, std::span<const Shape> inputs) {
  require_inputs(place, inputs, 1);
  require(inputs[0].rank() == 4 || inputs[0].rank() == 2, ExitCode::config, place,
          "input is {}, expected images [N, C, H, W] or rows [N, features]", inputs[0].text());
  return inputs[0];
}

// Two inputs of one shape.
inline const Shape& require_pair(std::string_view place, std::span<const Shape> inputs) {
  require_inputs(place, inputs, 2);
  require(inputs[0] == inputs[1], ExitCode::config, place,
          "inputs are {} and {}, expected equal shapes", inputs[0].text(), inputs[1].text());
  return inputs[0];
}

}  // namespace convoy
