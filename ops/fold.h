// Folding: a batch-norm that follows a convolution and uses its running statistics is put into the
// convolution's weights and bias.
//
//   factor[oc] = scale[oc] / sqrt(running_var[oc] + epsilon)
//   weight'    = weight * factor
//   bias'      = shift + (bias - running_mean) * factor
#pragma once

#include <span>

#include "ops/conv.h"

namespace convoy {

// Where the parameter `shift` of the batch-norm stands among those of a convolution with norm.
constexpr int shift_index(const Conv& op) {
  return op.bias ? 3 : 2;
}

// `parameters`: row-major, in the op's order. weight: as parameters[0]; bias: [OC]. In double,
// rounded once.
void fold_batch_norm(const Conv& op, std::span<const float* const> parameters,
                     std::span<float> weight, std::span<float> bias);

}  // namespace convoy
