// Convolution over images.
//
//   dst[n, oc, y, x] = bias[oc] + sum over ic, i, j of
//     weights[oc, ic, i, j] * src[n, ic, y * stride - pad + i * dilation, x * stride - pad + j *
//     dilation]
//
// with zeros outside the image. With groups, output channel oc sees input channels of its own group
// only.
#pragma once

#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ops/batch_norm.h"
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
  // Set by the plan's fusion: what becomes of each output, in this order.
  std::optional<BatchNorm> norm;  // normalised by the running statistics; in inference only
  bool add = false;               // a second input of dst's shape is added; in inference only
  bool relu = false;              // negative results become zero
  // With relu, in inference only: nothing above it; ReLU6: 6.
  float relu_cap = std::numeric_limits<float>::infinity();
};

// src NCHW [, and what is added] -> dst N, out_channels, H', W'
Shape output_shape(const Conv& op, std::string_view place, std::span<const Shape> inputs);
// weight [OC, IC/groups, KH, KW]; bias [OC]; then those of norm
std::vector<ParameterSpec> parameters(const Conv& op, std::span<const Shape> inputs);
// Of one forward pass over the inputs.
double multiply_adds(const Conv& op, std::span<const Shape> inputs);

}  // namespace convoy
