#include "ops/core/random.h"

#include <cmath>
#include <numbers>

namespace convoy {

float Random::normal() {
  const double u = (static_cast<double>((*this)()) + 0.5) * 0x1.0p-32;
  const double v = static_cast<double>((*this)()) * 0x1.0p-32;
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v));
}

}  // namespace convoy
