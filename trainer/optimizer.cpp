#include "trainer/optimizer.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "ops/core/check.h"
#include "trainer/weights.h"

namespace convoy {
namespace {

constexpr std::size_t block_floats = 1 << 14;

bool adapts(OptimizerKind kind) {
  return kind == OptimizerKind::lars || kind == OptimizerKind::lamb;
}

}  // namespace

Optimizer::Optimizer(const OptimizerConfig& config, const std::vector<PlacedParameter>& parameters,
                     std::size_t floats, int lanes, const EmaConfig& ema)
    : config_(config),
      lanes_(lanes),
      floats_(floats),
      average_share_(static_cast<float>(1 - ema.decay)),
      first_(floats * sizeof(float), has_moments(config.name) ? "first moments" : "momentum") {
  if (has_moments(config.name)) second_ = Arena(floats * sizeof(float), "second moments");
  std::vector<int> members(config.groups.size());
  for (const PlacedParameter& parameter : parameters) {
    if (!parameter.frozen) treat(parameter, members);
  }
  for (std::size_t g = 0; g < members.size(); ++g) {
    require(members[g] > 0, ExitCode::config, "optimizer.groups",
            "'{}' matches no parameter that this run trains and that earlier groups leave to it",
            config.groups[g].match);
  }
  std::ranges::sort(blocks_, {}, &Block::begin);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    Treatment& treatment = treatments_[blocks_[i].treatment];
    if (treatment.end_block == 0) treatment.first_block = i;
    treatment.end_block = i + 1;
  }
  squares_.resize(blocks_.size());
}

void Optimizer::treat(const PlacedParameter& parameter, std::vector<int>& members_of_groups) {
  Treatment treatment{.statistic = is_statistic(parameter.role)};
  if (treatment.statistic) {
    treatment.blend = parameter.momentum;
  } else {
    const auto group = std::ranges::find_if(config_.groups, [&](const ParameterGroup& candidate) {
      return matches(candidate.match, parameter.name);
    });
    const bool is_group = group != config_.groups.end();
    if (is_group) ++members_of_groups[group - config_.groups.begin()];
    const bool whole = parameter.role == ParameterRole::weight || config_.decay_norms;
    treatment.adapted = whole && adapts(config_.name);
    if (is_group) treatment.lr_scale = group->lr_scale;
    if (whole) {
      treatment.weight_decay =
          is_group ? group->weight_decay.value_or(config_.weight_decay) : config_.weight_decay;
    }
  }
  const std::size_t end = parameter.offset + parameter.floats;
  for (std::size_t begin = parameter.offset; begin < end; begin += block_floats) {
    blocks_.push_back({begin, std::min(begin + block_floats, end), treatments_.size()});
  }
  treatments_.push_back(treatment);
}

// A worker's blocks are those that begin in its share of the arena.
template <class Body>
void Optimizer::for_blocks(WorkerPool& pool, const Body& body) {
  const auto first_of = [&](int worker) {
    const std::size_t begin = floats_ * worker / pool.workers();
    return std::ranges::lower_bound(blocks_, begin, {}, &Block::begin);
  };
  pool.run([&](int worker) {
    const auto end = worker + 1 == pool.workers() ? blocks_.end() : first_of(worker + 1);
    for (auto block = first_of(worker); block != end; ++block) body(*block);
  });
}

bool Optimizer::step(WorkerPool& pool, const OptimizerStep& now) {
  double clip = now.gradient_scale;
  if (config_.clip_norm > 0 || config_.name == OptimizerKind::lars) measure_gradient(pool, now);
  if (config_.clip_norm > 0) {
    double sum = 0;
    for (const Squares& squares : squares_) sum += squares.other;
    if (!std::isfinite(sum)) return false;
    const double norm = now.gradient_scale * std::sqrt(sum);
    clip *= std::min(1.0, config_.clip_norm / (norm + 1e-6));
  }
  const auto factor = static_cast<float>(clip);
  if (config_.name == OptimizerKind::lamb) measure_direction(pool, now, factor);
  if (adapts(config_.name)) adapt(clip);
  std::atomic<bool> finite = true;
  for_blocks(pool, [&](const Block& block) {
    if (!update_block(block, now, factor)) finite.store(false, std::memory_order_relaxed);
  });
  return finite;
}

void Optimizer::measure_gradient(WorkerPool& pool, const OptimizerStep& now) {
  const bool lars = config_.name == OptimizerKind::lars;
  for_blocks(pool, [&](const Block& block) {
    const Treatment& treatment = treatments_[block.treatment];
    if (treatment.statistic) return;
    const OptimizerRun run = run_of(block, now);
    Squares& squares = squares_[&block - blocks_.data()];
    squares.other = sum_of_squares(run.gradient);
    if (lars && treatment.adapted) squares.weights = sum_of_squares(run.weights);
  });
}

void Optimizer::measure_direction(WorkerPool& pool, const OptimizerStep& now, float clip) {
  for_blocks(pool, [&](const Block& block) {
    const Treatment& treatment = treatments_[block.treatment];
    if (!treatment.adapted) return;
    const OptimizerRun run = run_of(block, now);
    squares_[&block - blocks_.data()] = {
        .weights = sum_of_squares(run.weights),
        .other = direction_squares(moments_rule(treatment, now, clip), run)};
  });
}

// `clip`: what the gradients of LARS, measured as they came, are yet to be multiplied by.
void Optimizer::adapt(double clip) {
  for (Treatment& treatment : treatments_) {
    if (!treatment.adapted) continue;
    const Squares squares = squares_of(treatment);
    const double weights = std::sqrt(squares.weights);
    const double other = std::sqrt(squares.other);
    const bool whole = weights > 0 && other > 0;
    if (config_.name == OptimizerKind::lamb) {
      treatment.local = whole ? weights / other : 1;
    } else {
      const double scale = clip * other + treatment.weight_decay * weights;
      treatment.local = whole ? config_.trust * weights / scale : 1;
    }
  }
}

Optimizer::Squares Optimizer::squares_of(const Treatment& treatment) const {
  Squares sum;
  for (std::size_t i = treatment.first_block; i < treatment.end_block; ++i) {
    sum.weights += squares_[i].weights;
    sum.other += squares_[i].other;
  }
  return sum;
}

MomentumRule Optimizer::momentum_rule(const Treatment& treatment, const OptimizerStep& now,
                                      float clip) const {
  const auto rate = static_cast<float>(now.lr * treatment.lr_scale * treatment.local);
  const bool lars = config_.name == OptimizerKind::lars;
  return {.clip = clip,
          .decay = static_cast<float>(treatment.weight_decay),
          .inner = lars ? rate : 1.0f,
          .momentum = static_cast<float>(config_.momentum),
          .outer = lars ? 1.0f : rate,
          .nesterov = config_.nesterov,
          .average_share = average_share_};
}

MomentsRule Optimizer::moments_rule(const Treatment& treatment, const OptimizerStep& now,
                                    float clip) const {
  const auto steps = static_cast<double>(now.number + 1);
  const auto decay = static_cast<float>(treatment.weight_decay);
  const bool coupled = config_.name == OptimizerKind::adam;
  return {
      .clip = clip,
      .coupled_decay = coupled ? decay : 0.0f,
      .first_share = static_cast<float>(1 - config_.beta1),
      .second_share = static_cast<float>(1 - config_.beta2),
      .first_correction = static_cast<float>(1 / (1 - std::pow(config_.beta1, steps))),
      .second_correction = static_cast<float>(1 / std::sqrt(1 - std::pow(config_.beta2, steps))),
      .epsilon = static_cast<float>(config_.epsilon),
      .decay = coupled ? 0.0f : decay,
      .rate = static_cast<float>(now.lr * treatment.lr_scale * treatment.local),
      .average_share = average_share_};
}

bool Optimizer::update_block(const Block& block, const OptimizerStep& now, float clip) {
  const Treatment& treatment = treatments_[block.treatment];
  const OptimizerRun run = run_of(block, now);
  if (treatment.statistic) return update(BlendRule{treatment.blend, lanes_, average_share_}, run);
  if (has_moments(config_.name)) return update(moments_rule(treatment, now, clip), run);
  return update(momentum_rule(treatment, now, clip), run);
}

OptimizerRun Optimizer::run_of(const Block& block, const OptimizerStep& now) const {
  const auto cut = [&](auto arena) {
    return arena.empty() ? arena : arena.subspan(block.begin, block.end - block.begin);
  };
  return {cut(now.weights), cut(first_.as<float>()), cut(second_.as<float>()), cut(now.average),
          cut(now.gradient)};
}

std::vector<Optimizer::State> Optimizer::states() {
  if (!has_moments(config_.name)) return {{"momentum.", first_.as<float>()}};
  return {{"exp_avg.", first_.as<float>()}, {"exp_avg_sq.", second_.as<float>()}};
}

}  // namespace convoy
