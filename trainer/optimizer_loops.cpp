#include "trainer/optimizer_loops.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace convoy {
namespace {

// Finds floats that are infinite or not a number: those of the largest exponent. As whole numbers,
// whose maximum vector units take in any order.
class FiniteCheck {
 public:
  void add(float x) { largest_ = std::max(largest_, std::bit_cast<std::int32_t>(x) & magnitude); }
  bool passed() const { return largest_ < infinity; }

 private:
  static constexpr std::int32_t magnitude = 0x7FFFFFFF, infinity = 0x7F800000;
  std::int32_t largest_ = 0;
};

template <bool nesterov, bool averaged>
bool momentum_loop(const MomentumRule& asked, const OptimizerRun& run) {
  float* __restrict w = run.weights.data();
  float* __restrict v = run.first.data();
  float* __restrict e = run.average.data();
  const float* __restrict d = run.gradient.data();
  const MomentumRule rule = asked;  // in registers: nothing else points at it
  FiniteCheck finite;
  for (std::size_t i = 0; i < run.weights.size(); ++i) {
    const float u = rule.inner * (rule.clip * d[i] + rule.decay * w[i]);
    const float velocity = rule.momentum * v[i] + u;
    const float move = nesterov ? u + rule.momentum * velocity : velocity;
    const float weight = w[i] - rule.outer * move;
    v[i] = velocity;
    w[i] = weight;
    finite.add(weight);
    if constexpr (averaged) e[i] += rule.average_share * (weight - e[i]);
  }
  return finite.passed();
}

struct Moments {
  float first;
  float second;
  float direction;
};

inline Moments next_moments(const MomentsRule& rule, float w, float first, float second, float d) {
  const float g = rule.clip * d + rule.coupled_decay * w;
  const float m = first + rule.first_share * (g - first);
  const float s = second + rule.second_share * (g * g - second);
  const float scale = std::sqrt(s) * rule.second_correction + rule.epsilon;
  return {m, s, m * rule.first_correction / scale + rule.decay * w};
}

template <bool averaged>
bool moments_loop(const MomentsRule& asked, const OptimizerRun& run) {
  float* __restrict w = run.weights.data();
  float* __restrict m = run.first.data();
  float* __restrict s = run.second.data();
  float* __restrict e = run.average.data();
  const float* __restrict d = run.gradient.data();
  const MomentsRule rule = asked;
  FiniteCheck finite;
  for (std::size_t i = 0; i < run.weights.size(); ++i) {
    const Moments next = next_moments(rule, w[i], m[i], s[i], d[i]);
    const float weight = w[i] - rule.rate * next.direction;
    m[i] = next.first;
    s[i] = next.second;
    w[i] = weight;
    finite.add(weight);
    if constexpr (averaged) e[i] += rule.average_share * (weight - e[i]);
  }
  return finite.passed();
}

}  // namespace

bool update(const MomentumRule& rule, const OptimizerRun& run) {
  const bool averaged = !run.average.empty();
  if (rule.nesterov) {
    return averaged ? momentum_loop<true, true>(rule, run) : momentum_loop<true, false>(rule, run);
  }
  return averaged ? momentum_loop<false, true>(rule, run) : momentum_loop<false, false>(rule, run);
}

bool update(const MomentsRule& rule, const OptimizerRun& run) {
  return run.average.empty() ? moments_loop<false>(rule, run) : moments_loop<true>(rule, run);
}

bool update(const BlendRule& rule, const OptimizerRun& run) {
  const float share = rule.momentum / static_cast<float>(rule.lanes);
  FiniteCheck finite;
  for (std::size_t i = 0; i < run.weights.size(); ++i) {
    run.weights[i] = (1.0f - rule.momentum) * run.weights[i] + share * run.gradient[i];
    finite.add(run.weights[i]);
  }
  for (std::size_t i = 0; i < run.average.size(); ++i) {
    run.average[i] += rule.average_share * (run.weights[i] - run.average[i]);
  }
  return finite.passed();
}

// In an order that depends on the count alone and lets vector units work: eight sums side by side,
// then their sum.
double sum_of_squares(std::span<const float> values) {
  constexpr std::size_t width = 8;
  std::array<double, width> sums{};
  std::size_t i = 0;
  for (; i + width <= values.size(); i += width) {
    for (std::size_t k = 0; k < width; ++k) {
      const double x = values[i + k];
      sums[k] += x * x;
    }
  }
  for (std::size_t k = 0; i < values.size(); ++i, ++k) {
    const double x = values[i];
    sums[k] += x * x;
  }
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

double direction_squares(const MomentsRule& asked, const OptimizerRun& run) {
  const MomentsRule rule = asked;
  std::array<float, 512> directions;  // of some floats at a time, in cache
  double sum = 0;
  for (std::size_t begin = 0; begin < run.weights.size(); begin += directions.size()) {
    const std::size_t count = std::min(directions.size(), run.weights.size() - begin);
    const float* __restrict w = run.weights.data() + begin;
    const float* __restrict m = run.first.data() + begin;
    const float* __restrict s = run.second.data() + begin;
    const float* __restrict d = run.gradient.data() + begin;
    for (std::size_t i = 0; i < count; ++i) {
      directions[i] = next_moments(rule, w[i], m[i], s[i], d[i]).direction;
    }
    sum += sum_of_squares(std::span(directions).first(count));
  }
  return sum;
}

}  // namespace convoy
