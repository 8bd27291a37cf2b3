#include "ops/concat.h"

#include "ops/core/check.h"

namespace convoy {

Shape output_shape(const Concat&, std::string_view place, std::span<const Shape> inputs) {
  require(inputs.size() >= 2, ExitCode::config, place, "has {} inputs, expected at least 2",
          inputs.size());
  Shape dst = inputs[0];
  require(dst.rank() == 4 || dst.rank() == 2, ExitCode::config, place,
          "input is {}, expected images [N, C, H, W] or rows [N, features]", dst.text());
  for (const Shape& input : inputs.subspan(1)) {
    Shape twin = input;
    twin[1] = inputs[0][1];
    require(twin == inputs[0], ExitCode::config, place,
            "inputs are {} and {}, expected them to differ in channels alone", inputs[0].text(),
            input.text());
    dst[1] += input[1];
  }
  return dst;
}

}  // namespace convoy
