#include "ops/fold.h"

#include <cmath>

namespace convoy {

void fold_batch_norm(const Conv& op, std::span<const float* const> parameters,
                     std::span<float> weight, std::span<float> bias) {
  const int shift_at = shift_index(op);
  const float* own_bias = op.bias ? parameters[1] : nullptr;
  const float *scale = parameters[shift_at - 1], *shift = parameters[shift_at],
              *mean = parameters[shift_at + 1], *variance = parameters[shift_at + 2];
  const std::size_t per_channel = weight.size() / bias.size();
  for (std::size_t c = 0; c < bias.size(); ++c) {
    const double factor = scale[c] / std::sqrt(double{variance[c]} + op.norm->epsilon);
    for (std::size_t i = c * per_channel; i < (c + 1) * per_channel; ++i) {
      weight[i] = static_cast<float>(parameters[0][i] * factor);
    }
    const double centred = (own_bias ? double{own_bias[c]} : 0.0) - mean[c];
    bias[c] = static_cast<float>(shift[c] + centred * factor);
  }
}

}  // namespace convoy
