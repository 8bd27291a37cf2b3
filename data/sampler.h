// Sampler: (seed, epoch, position) -> sample index, a pure function without tables, so that any
// rank can ask for any position of any epoch at once and resuming costs nothing.
#pragma once

#include <cstdint>

namespace convoy {

enum class Order {
  full,        // a keyed permutation of all samples, another one each epoch
  sequential,  // 0, 1, 2, ...
};

class Sampler {
 public:
  Sampler(std::uint64_t samples, std::uint64_t seed, Order order);

  std::uint64_t samples() const { return samples_; }
  // position in [0, samples). `full`: a Feistel network of 4+ Philox rounds over the smallest even
  // power of two that holds `samples`, walked until it falls inside (Black and Rogaway, "Ciphers
  // with arbitrary finite domains", 2002).
  std::uint64_t index(std::uint32_t epoch, std::uint64_t position) const;

 private:
  std::uint64_t samples_;
  std::uint64_t seed_;
  Order order_;
  int half_bits_;
};

}  // namespace convoy
