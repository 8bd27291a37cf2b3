#include "data/permutation.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace convoy {
namespace {

// Four make a Feistel network a good permutation of a large domain (Luby and Rackoff, "How to
// construct pseudorandom permutations", 1988); a domain of a few bits needs more to mix.
constexpr std::uint64_t rounds = 8;

}  // namespace

Permutation::Permutation(std::uint64_t size, std::uint64_t seed, RandomUse use, std::uint32_t epoch)
    : size_(size),
      seed_(seed),
      use_(use),
      epoch_(epoch),
      half_bits_(std::max(1, (static_cast<int>(std::bit_width(size - 1)) + 1) / 2)),
      mask_((std::uint64_t{1} << half_bits_) - 1) {}

// `half` has at most 32 bits, so no two rounds share a number.
std::uint64_t Permutation::mixed(std::uint64_t round, std::uint64_t half) const {
  return Random(seed_, use_, round << 32 | half, epoch_)() & mask_;
}

std::uint64_t Permutation::at(std::uint64_t place) const {
  std::uint64_t value = place;
  do {  // fewer than four times on average: the domain is below 4 * size
    std::uint64_t left = value >> half_bits_;
    std::uint64_t right = value & mask_;
    for (std::uint64_t round = 0; round < rounds; ++round) {
      left = std::exchange(right, left ^ mixed(round, right));
    }
    value = left << half_bits_ | right;
  } while (value >= size_);
  return value;
}

std::uint64_t Permutation::place_of(std::uint64_t value) const {
  std::uint64_t place = value;
  do {
    std::uint64_t left = place >> half_bits_;
    std::uint64_t right = place & mask_;
    for (std::uint64_t round = rounds; round-- > 0;) {
      right = std::exchange(left, right ^ mixed(round, left));
    }
    place = left << half_bits_ | right;
  } while (place >= size_);
  return place;
}

}  // namespace convoy
