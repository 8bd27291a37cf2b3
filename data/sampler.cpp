#include "data/sampler.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "ops/core/check.h"
#include "ops/core/random.h"

namespace convoy {
namespace {

// Four make a Feistel network a good permutation of a large domain (Luby and Rackoff, "How to
// construct pseudorandom permutations", 1988); a domain of a few bits needs more to mix.
constexpr int rounds = 8;

}  // namespace

Sampler::Sampler(std::uint64_t samples, std::uint64_t seed, Order order)
    : samples_(samples), seed_(seed), order_(order) {
  require(samples > 0, ExitCode::data, "sampler", "there are no samples to draw from");
  half_bits_ = std::max(1, (static_cast<int>(std::bit_width(samples - 1)) + 1) / 2);
}

std::uint64_t Sampler::index(std::uint32_t epoch, std::uint64_t position) const {
  if (order_ == Order::sequential) return position;
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  std::uint64_t value = position;
  do {  // fewer than four times on average: the domain is below 4 * samples
    std::uint64_t left = value >> half_bits_;
    std::uint64_t right = value & mask;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      // `right` has at most 32 bits, so no two rounds share a number.
      const std::uint64_t mixed = Random(seed_, RandomUse::order, round << 32 | right, epoch)();
      left = std::exchange(right, left ^ (mixed & mask));
    }
    value = left << half_bits_ | right;
  } while (value >= samples_);
  return value;
}

}  // namespace convoy
