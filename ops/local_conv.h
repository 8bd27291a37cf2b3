// Locally connected and tiled convolution: a convolution whose weights differ by output position.
//
//   dst[n, oc, y, x] = bias[t, oc] + sum over ic, i, j of
//     weights[t, oc, ic, i, j] * src[n, ic, y * stride - pad + i, x * stride - pad + j]
//   with t = (y % tile.h) * tile.w + x % tile.w
//
// so that weights repeat with the period `tile` (Ngiam et al., "Tiled convolutional neural
// networks", 2010; Le et al., 2010). A tile of 1 is a convolution; a tile of the output's size
// shares nothing (locally connected), and is what {0, 0} means.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/geometry.h"
#include "ops/parameter.h"

namespace convoy {

struct LocalConv {
  int out_channels = 0;
  Extent kernel = 3;
  Extent stride = 1;
  Padding pad = 0;
  Extent tile = 0;  // 0: the size of the output
  bool bias = false;
  Initial first_weights;
  Initial first_biases;
};

// src NCHW -> dst N, out_channels, H', W'
Shape output_shape(const LocalConv& op, std::string_view place, std::span<const Shape> inputs);
// The period in force, for an output of this shape.
Extent tile_of(const LocalConv& op, const Shape& dst);
// weight [T, OC, IC, KH, KW], T = tile.h * tile.w; bias [T, OC]
std::vector<ParameterSpec> parameters(const LocalConv& op, std::span<const Shape> inputs);
double multiply_adds(const LocalConv& op, std::span<const Shape> inputs);

}  // namespace convoy
