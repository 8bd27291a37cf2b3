// The loops of the optimizers over a run of floats: update, weight decay and average in one pass
// over memory, without branches inside; and the sums of squares that come before them. Element by
// element, so that any cut into runs gives the same bits; sums depend on their run alone.
#pragma once

#include <span>

namespace convoy {

// Equal places of equally long arenas. `second` is of the moments alone; `average` may be empty.
struct OptimizerRun {
  std::span<float> weights;
  std::span<float> first;   // momentum, or first moment
  std::span<float> second;  // second moment
  std::span<float> average;
  std::span<const float> gradient;
};

// SGD as torch.optim.SGD defines it (inner = 1, outer = learning rate), and LARS, whose rate is
// part of the velocity (outer = 1):
//
//   u = inner * (clip * gradient + decay * w)
//   v = momentum * v + u
//   w = w - outer * v          (nesterov: w - outer * (u + momentum * v))
struct MomentumRule {
  float clip = 1;
  float decay = 0;
  float inner = 1;
  float momentum = 0;
  float outer = 0;
  bool nesterov = false;
  float average_share = 0;  // average += average_share * (w - average)
};

// Adam, AdamW and LAMB:
//
//   g = clip * gradient + coupled_decay * w
//   m = m + first_share * (g - m)
//   s = s + second_share * (g^2 - s)
//   direction = (m * first_correction) / (sqrt(s) * second_correction + epsilon) + decay * w
//   w = w - rate * direction
struct MomentsRule {
  float clip = 1;
  float coupled_decay = 0;  // Adam: a part of the gradient
  float first_share = 0;    // 1 - beta1
  float second_share = 0;   // 1 - beta2
  float first_correction = 1;
  float second_correction = 1;
  float epsilon = 0;
  float decay = 0;  // AdamW, LAMB: beside the gradient
  float rate = 0;
  float average_share = 0;
};

// running = (1 - momentum) * running + momentum * (mean over lanes), and its average.
struct BlendRule {
  float momentum = 0;
  int lanes = 1;
  float average_share = 0;
};

// True if all weights are finite now.
bool update(const MomentumRule& rule, const OptimizerRun& run);
bool update(const MomentsRule& rule, const OptimizerRun& run);
// run.gradient is the sum over lanes of what they measured.
bool update(const BlendRule& rule, const OptimizerRun& run);

double sum_of_squares(std::span<const float> values);
// Of the direction that update() will take; changes nothing.
double direction_squares(const MomentsRule& rule, const OptimizerRun& run);

}  // namespace convoy
