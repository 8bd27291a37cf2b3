// Optimizer: stochastic gradient descent with momentum and weight decay as torch.optim.SGD defines
// it, in one pass over weights, momentum and gradient; and the running statistics of batch norm.
//
//   g = gradient + weight_decay * w
//   v = momentum * v + g            (v = 0 before the first step)
//   w = w - lr * v                  (nesterov: w - lr * (g + momentum * v))
//
//   running = (1 - m) * running + m * (mean over lanes of what they measured)
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "ops/core/arena.h"
#include "ops/plan.h"
#include "trainer/config.h"

namespace convoy {

struct SgdSettings {
  float lr = 0;
  float momentum = 0;
  float weight_decay = 0;
  bool nesterov = false;
};

// Equal lengths; element by element, so any cut into pieces gives the same bits.
inline void sgd(const SgdSettings& settings, std::span<float> weights, std::span<float> velocity,
                std::span<const float> gradient) {
  float* __restrict w = weights.data();
  float* __restrict v = velocity.data();
  const float* __restrict d = gradient.data();
  const float decay = settings.weight_decay;
  const float momentum = settings.momentum;
  const float lr = settings.lr;
  if (settings.nesterov) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const float g = d[i] + decay * w[i];
      v[i] = momentum * v[i] + g;
      w[i] -= lr * (g + momentum * v[i]);
    }
  } else {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const float g = d[i] + decay * w[i];
      v[i] = momentum * v[i] + g;
      w[i] -= lr * v[i];
    }
  }
}

// `measured` is the sum over lanes.
inline void blend(float momentum, int lanes, std::span<float> running,
                  std::span<const float> measured) {
  const float share = momentum / static_cast<float>(lanes);
  for (std::size_t i = 0; i < running.size(); ++i) {
    running[i] = (1.0f - momentum) * running[i] + share * measured[i];
  }
}

class Optimizer {
 public:
  // `parameters` and the arenas have the geometry of a plan of `floats` floats.
  Optimizer(const OptimizerConfig& config, const std::vector<PlacedParameter>& parameters,
            std::size_t floats, int lanes);

  // One step of part `part` of `parts` of the arena; threads share a step by their parts.
  // `gradient` is the sum over all lanes, already divided by the global batch.
  void step(int part, int parts, float lr, std::span<float> weights,
            std::span<const float> gradient);

  // Momentum, in the plan's geometry.
  std::span<float> velocity() { return velocity_.as<float>(); }
  std::span<const float> velocity() const { return velocity_.as<float>(); }

 private:
  // A run of floats that are treated alike.
  struct Segment {
    std::size_t begin;
    std::size_t end;
    bool statistic;
    float factor;  // weight decay, or the share of the new value in a running statistic
  };

  OptimizerConfig config_;
  int lanes_;
  std::size_t floats_;
  std::vector<Segment> segments_;  // ascending, without overlap
  Arena velocity_;
};

}  // namespace convoy
