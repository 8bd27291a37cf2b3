// Permutation: a keyed permutation of [0, size) without tables, another one for each seed, use and
// epoch.
//
// A Feistel network of Philox rounds over the smallest even power of two that holds `size`, walked
// until it falls inside (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
#pragma once

#include <cstdint>

#include "ops/core/random.h"

namespace convoy {

class Permutation {
 public:
  // size > 0
  Permutation(std::uint64_t size, std::uint64_t seed, RandomUse use, std::uint32_t epoch);

  // What stands at `place`, and where `value` stands; both below size.
  std::uint64_t at(std::uint64_t place) const;
  std::uint64_t place_of(std::uint64_t value) const;

 private:
  std::uint64_t mixed(std::uint64_t round, std::uint64_t half) const;

  std::uint64_t size_;
  std::uint64_t seed_;
  RandomUse use_;
  std::uint32_t epoch_;
  int half_bits_;
  std::uint64_t mask_;  // of half_bits_
};

}  // namespace convoy
