#include "ops/conv.h"

#include <array>

#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const Conv& op, std::string_view place, std::span<const Shape> inputs) {
  require_inputs(place, inputs, op.add ? 2 : 1);
  const Shape& src = require_images(place, inputs.first(1));
  require(op.out_channels >= 1 && op.groups >= 1, ExitCode::config, place,
          "{} output channels in {} groups, expected at least 1 of each", op.out_channels,
          op.groups);
  require(src[1] % op.groups == 0 && op.out_channels % op.groups == 0, ExitCode::config, place,
          "{} input and {} output channels, expected multiples of its {} groups", src[1],
          op.out_channels, op.groups);
  const Shape dst{src[0], op.out_channels,
                  window_outputs(place, src[2], op.pad.top, op.pad.bottom, op.kernel.h, op.stride.h,
                                 op.dilation.h),
                  window_outputs(place, src[3], op.pad.left, op.pad.right, op.kernel.w, op.stride.w,
                                 op.dilation.w)};
  require(!op.add || inputs[1] == dst, ExitCode::config, place,
          "adds {} to an output of {}, expected equal shapes", inputs.back().text(), dst.text());
  return dst;
}

std::vector<ParameterSpec> parameters(const Conv& op, std::span<const Shape> inputs) {
  const Shape weight{op.out_channels, inputs[0][1] / op.groups, op.kernel.h, op.kernel.w};
  std::vector<ParameterSpec> specs{{"weight", ParameterRole::weight, weight, op.first_weights}};
  if (op.bias) {
    specs.push_back({"bias", ParameterRole::bias, Shape{op.out_channels}, op.first_biases});
  }
  if (op.norm) {
    const std::array outputs{Shape{inputs[0][0], op.out_channels, 1, 1}};
    for (const ParameterSpec& spec : parameters(*op.norm, outputs)) specs.push_back(spec);
  }
  return specs;
}

double multiply_adds(const Conv& op, std::span<const Shape> inputs) {
  const double per_output =
      static_cast<double>(inputs[0][1] / op.groups) * op.kernel.h * op.kernel.w;
  return per_output * static_cast<double>(output_shape(op, "conv", inputs).elements());
}

}  // namespace convoy
