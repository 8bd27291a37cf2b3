// Optimizer: one step over the parameter arena. Weights, optimizer state, running statistics and
// the average of all of these in one pass over memory; before it, where they are wanted, passes
// that measure: the gradient's norm for clipping, the layers' norms for LARS and LAMB.
//
//   sgd    torch.optim.SGD, with or without Nesterov's momentum
//   lars   v = momentum * v + lr * local * (g + decay * w),  w = w - v, where per parameter
//          local = trust * |w| / (|g| + decay * |w|):
//          You, Gitman, Ginsburg, "Large batch training of convolutional networks" (2017)
//   adam   torch.optim.Adam: weight decay is a part of the gradient
//   adamw  torch.optim.AdamW: weight decay beside it
//   lamb   the direction of adamw, scaled per parameter by |w| / |direction|:
//          You et al., "Large batch optimization for deep learning" (2019), Algorithm 2
//
// Biases and batch-norm scales and shifts are neither decayed nor adapted (local rate 1) unless
// decay_norms; nor is a parameter adapted whose norms are 0. `g` is the gradient times
// min(1, clip_norm / (norm + 1e-6)), the norm being that of all gradients together.
//
//   running = (1 - m) * running + m * (mean over lanes of what they measured)
//   average = ema * average + (1 - ema) * (new weight, or new running statistic)
//
// The result has the same bits for any number of worker threads and of ranks: sums run over fixed
// blocks in a fixed order, in double.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ops/core/arena.h"
#include "ops/plan.h"
#include "trainer/config.h"
#include "trainer/optimizer_loops.h"
#include "trainer/worker_pool.h"

namespace convoy {

// All arenas have the plan's geometry; frozen parameters have no part in a step.
struct OptimizerStep {
  std::uint64_t number = 0;  // steps done before this one
  double lr = 0;
  std::span<float> weights;
  // The sum over all lanes, already divided by the global batch. Padding of layouts is zero.
  std::span<const float> gradient;
  double gradient_scale = 1;  // what gradients, not statistics, are to be multiplied by
  std::span<float> average;   // empty: none is kept
};

class Optimizer {
 public:
  // `parameters` and the arenas have the geometry of a plan with gradients of `floats` floats.
  // Error(config) if a group gets no parameter that is trained.
  Optimizer(const OptimizerConfig& config, const std::vector<PlacedParameter>& parameters,
            std::size_t floats, int lanes, const EmaConfig& ema = {});

  // On all workers of `pool`. False if a weight or running statistic is not finite afterwards; and,
  // with nothing changed, if the gradient is to be clipped and its norm is not finite.
  [[nodiscard]] bool step(WorkerPool& pool, const OptimizerStep& now);

  // What a checkpoint must hold beside the weights, in the plan's geometry, with the beginning of
  // the names under which it does: momentum, or PyTorch's exp_avg and exp_avg_sq.
  struct State {
    std::string_view prefix;
    std::span<float> values;
  };
  std::vector<State> states();

 private:
  // How one parameter, or running statistic, is treated.
  struct Treatment {
    bool statistic = false;
    float blend = 0;          // statistics: share of the new value
    bool adapted = false;     // lars, lamb: has a rate of its own,
    double local = 1;         //   this one in the step at hand
    double lr_scale = 1;      //
    double weight_decay = 0;  //
    std::size_t first_block = 0, end_block = 0;
  };
  // At most block_floats of one parameter: the unit of work and of sums.
  struct Block {
    std::size_t begin, end;
    std::size_t treatment;
  };
  struct Squares {
    double weights = 0;
    double other = 0;  // gradient, or LAMB's direction
  };

  void treat(const PlacedParameter& parameter, std::vector<int>& members_of_groups);
  template <class Body>
  void for_blocks(WorkerPool& pool, const Body& body);
  void measure_gradient(WorkerPool& pool, const OptimizerStep& now);
  void measure_direction(WorkerPool& pool, const OptimizerStep& now, float clip);
  void adapt(double clip);
  Squares squares_of(const Treatment& treatment) const;

  MomentumRule momentum_rule(const Treatment& treatment, const OptimizerStep& now,
                             float clip) const;
  MomentsRule moments_rule(const Treatment& treatment, const OptimizerStep& now, float clip) const;
  bool update_block(const Block& block, const OptimizerStep& now, float clip);
  OptimizerRun run_of(const Block& block, const OptimizerStep& now) const;

  OptimizerConfig config_;
  int lanes_;
  std::size_t floats_;
  float average_share_;
  std::vector<Treatment> treatments_;
  std::vector<Block> blocks_;     // ascending, without overlap
  std::vector<Squares> squares_;  // by block
  Arena first_;                   // momentum, or first moment
  Arena second_;                  // second moment, where there is one
};

}  // namespace convoy
