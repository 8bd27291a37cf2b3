// Counter-based random numbers: a pure function of (key, counter), so nothing is ever seeded per
// worker and any thread on any rank draws the same numbers for the same sample.
//
// Philox 4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC
// 2011).
#pragma once

#include <array>
#include <cstdint>

namespace convoy {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

constexpr PhiloxCounter philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

// What a stream of numbers is for; part of the key, so that two uses never share numbers. Never
// renumber: results of old runs depend on it.
enum class RandomUse : std::uint32_t {
  initialise = 1,
  order = 2,
  crop = 3,
  flip = 4,
  dropout = 5,
  synthesise = 6,
  test = 7,
  cutout = 8,
  mix = 9,
  vertical_flip = 10,
  color_jitter = 11,
  grayscale = 12,
  lighting = 13,
  affine = 14,
  rand_augment = 15,
  erasing = 16,
  trivial_augment = 17,
  block_order = 32,
  window_key = 33,
  window_order = 34,
  balanced_order = 35,
  substitute = 36,
};

// A short stream of numbers for one (seed, use, epoch, index). Satisfies UniformRandomBitGenerator.
class Random {
 public:
  using result_type = std::uint32_t;

  constexpr Random(std::uint64_t seed, RandomUse use, std::uint64_t index, std::uint32_t epoch = 0)
      : key_{static_cast<std::uint32_t>(seed) ^ (static_cast<std::uint32_t>(use) * 0x9E3779B9u),
             static_cast<std::uint32_t>(seed >> 32)},
        counter_{0, static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                 epoch} {}

  // For whoever draws many blocks at once: counter()[0] numbers the next block.
  constexpr const PhiloxKey& key() const { return key_; }
  constexpr const PhiloxCounter& counter() const { return counter_; }

  static constexpr std::uint32_t min() { return 0; }
  static constexpr std::uint32_t max() { return 0xFFFFFFFFu; }

  constexpr std::uint32_t operator()() {
    if (used_ == 4) {
      block_ = philox4x32(counter_, key_);
      ++counter_[0];
      used_ = 0;
    }
    return block_[used_++];
  }

  // [0, 1), 24 bits.
  constexpr float uniform() { return static_cast<float>((*this)() >> 8) * 0x1.0p-24f; }
  constexpr float uniform(float low, float high) { return low + (high - low) * uniform(); }
  // [0, n), n > 0; unbiased (Lemire, "Fast random integer generation in an interval", 2019).
  constexpr std::uint32_t below(std::uint32_t n) {
    std::uint64_t product = std::uint64_t{(*this)()} * n;
    if (static_cast<std::uint32_t>(product) < n) {
      const std::uint32_t threshold = (0u - n) % n;
      while (static_cast<std::uint32_t>(product) < threshold) {
        product = std::uint64_t{(*this)()} * n;
      }
    }
    return static_cast<std::uint32_t>(product >> 32);
  }
  // Standard normal (Box and Muller, 1958).
  float normal();

 private:
  PhiloxKey key_;
  PhiloxCounter counter_;
  PhiloxCounter block_{};
  int used_ = 4;
};

}  // namespace convoy
