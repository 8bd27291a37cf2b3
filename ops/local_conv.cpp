#include "ops/local_conv.h"

#include "ops/inputs.h"

namespace convoy {

Shape output_shape(const LocalConv& op, std::string_view place, std::span<const Shape> inputs) {
  const Shape& src = require_images(place, inputs);
  require(op.out_channels >= 1, ExitCode::config, place, "{} output channels, expected at least 1",
          op.out_channels);
  const Shape dst{
      src[0], op.out_channels,
      window_outputs(place, src[2], op.pad.top, op.pad.bottom, op.kernel.h, op.stride.h, 1),
      window_outputs(place, src[3], op.pad.left, op.pad.right, op.kernel.w, op.stride.w, 1)};
  require(op.tile.h >= 0 && op.tile.w >= 0 && op.tile.h <= dst[2] && op.tile.w <= dst[3],
          ExitCode::config, place,
          "weights repeat with period {}x{}, expected at most the output's {}x{}, or 0 for it",
          op.tile.h, op.tile.w, dst[2], dst[3]);
  return dst;
}

Extent tile_of(const LocalConv& op, const Shape& dst) {
  return {op.tile.h > 0 ? op.tile.h : static_cast<int>(dst[2]),
          op.tile.w > 0 ? op.tile.w : static_cast<int>(dst[3])};
}

std::vector<ParameterSpec> parameters(const LocalConv& op, std::span<const Shape> inputs) {
  const Extent tile = tile_of(op, output_shape(op, "local_conv", inputs));
  const std::int64_t kinds = std::int64_t{tile.h} * tile.w;
  const Shape weight{kinds, op.out_channels, inputs[0][1], op.kernel.h, op.kernel.w};
  std::vector<ParameterSpec> specs{{"weight", ParameterRole::weight, weight, op.first_weights}};
  if (op.bias) {
    specs.push_back({"bias", ParameterRole::bias, Shape{kinds, op.out_channels}, op.first_biases});
  }
  return specs;
}

double multiply_adds(const LocalConv& op, std::span<const Shape> inputs) {
  const double per_output = static_cast<double>(inputs[0][1]) * op.kernel.h * op.kernel.w;
  return per_output * static_cast<double>(output_shape(op, "local_conv", inputs).elements());
}

}  // namespace convoy
