// Convolution over images.
//
//   dst[n, oc, y, x] = bias[oc] + sum over ic, i, j of
//     weights[oc, ic, i, j] * src[n, ic, y * stride - pad + i * dilation, x * stride - pad + j *
//     dilation]
//
// with zeros outside the image. With groups, output channel oc sees input channels of its own group
// only.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "ops/geometry.h"
#include "ops/parameter.h"

namespace convoy {

struct Conv {
  int out_channels = 0;
  Extent kernel = 3;
  Extent stride = 1;
  Padding pad = 0;
  Extent dilation = 1;
  int groups = 1;  // divides input and output channels
  bool bias = false;
  Initial first_weights;
  Initial first_biases;
};

// src NCHW -> dst N, out_channels, H', W'
Shape output_shape(const Conv& op, std::string_view place, std::span<const Shape> inputs);
// weight [OC, IC/groups, KH, KW]; bias [OC]
std::vector<ParameterSpec> parameters(const Conv& op, std::span<const Shape> inputs);
// Of one forward pass over the inputs.
double multiply_adds(const Conv& op, std::span<const Shape> inputs);

}  // namespace convoy
