// Batch normalisation (Ioffe and Szegedy, 2015), with what commonly follows it fused in.
//
//   training:  mean, var over (N, H, W) of this lane's micro-batch; var biased (divided by count)
//   inference: running mean and variance
//   z = scale * (src - mean) / sqrt(var + epsilon) + shift  [+ src1]  [then cut to [0, relu_cap]]
//
// Synchronised, the mean and variance in training are of all lanes' micro-batches together (of the
// global batch), and so is what backward subtracts; StepArgs::sum_over_lanes adds them up.
//
// With fixed statistics training too takes the running mean and variance, which stay as they are;
// backward treats them as constants.
//
// The lane's mean and unbiased variance go to the places of running_mean and running_var in the
// gradient arena; the optimizer blends their average over lanes into the running statistics with
// `momentum`, as torch.nn.BatchNorm2d does.
#pragma once

#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "ops/parameter.h"

namespace convoy {

struct BatchNorm {
  float epsilon = 1e-5f;
  float momentum = 0.1f;
  float first_scale = 1;
  bool add = false;   // a second input of the same shape is added (set by the plan's fusion)
  bool relu = false;  // negative results become zero (set by the plan's fusion)
  float relu_cap = std::numeric_limits<float>::infinity();  // with relu: nothing above it; ReLU6: 6
  bool synchronised = false;
  bool fixed_statistics = false;  // set by the plan for frozen layers
};

Shape output_shape(const BatchNorm& op, std::string_view place, std::span<const Shape> inputs);
// weight [C] (scale), bias [C] (shift), running_mean [C], running_var [C]
std::vector<ParameterSpec> parameters(const BatchNorm& op, std::span<const Shape> inputs);
// Training needs at least two values per channel, in one lane or, synchronised, in all of them
// (which is not checked). Error(config) otherwise.
void require_statistics(const BatchNorm& op, std::string_view place, const Shape& src);
inline double multiply_adds(const BatchNorm&, std::span<const Shape>) {
  return 0;
}

}  // namespace convoy
