// Sampler: a permutation for any number of samples, another one for each epoch and seed, without
// visible structure.
#include "data/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "ops/core/check.h"

namespace convoy {
namespace {

std::vector<std::uint64_t> epoch_of(const Sampler& sampler, std::uint32_t epoch) {
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 0; i < sampler.samples(); ++i) order.push_back(sampler.index(epoch, i));
  return order;
}

TEST(Sampler, VisitsEverySampleOnce) {
  for (const std::uint64_t samples : {1, 2, 3, 4, 5, 10, 16, 17, 64, 1000, 4096, 4097, 50000}) {
    const Sampler sampler(samples, 7, Order::full);
    std::vector<int> visits(samples, 0);
    for (const std::uint64_t index : epoch_of(sampler, 3)) {
      ASSERT_LT(index, samples);
      ++visits[index];
    }
    EXPECT_EQ(visits, std::vector<int>(samples, 1)) << samples;
  }
}

TEST(Sampler, EpochsAndSeedsDiffer) {
  const Sampler sampler(1000, 7, Order::full);
  std::set<std::vector<std::uint64_t>> orders;
  for (std::uint32_t epoch = 0; epoch < 20; ++epoch) orders.insert(epoch_of(sampler, epoch));
  for (std::uint64_t seed = 8; seed < 28; ++seed) {
    orders.insert(epoch_of(Sampler(1000, seed, Order::full), 0));
  }
  orders.insert(epoch_of(Sampler(1000, 7ull << 32, Order::full), 0));
  EXPECT_EQ(orders.size(), 41u);
  EXPECT_EQ(epoch_of(sampler, 5), epoch_of(Sampler(1000, 7, Order::full), 5));
}

TEST(Sampler, SequentialCounts) {
  const Sampler sampler(5, 7, Order::sequential);
  EXPECT_EQ(epoch_of(sampler, 9), (std::vector<std::uint64_t>{0, 1, 2, 3, 4}));
}

TEST(Sampler, NeedsSamples) {
  EXPECT_THROW(Sampler(0, 1, Order::full), Error);
}

// Chi-square of counts against equal ones, in standard deviations from its mean.
double excess(const std::vector<int>& counts) {
  double total = 0;
  for (const int count : counts) total += count;
  const double expected = total / static_cast<double>(counts.size());
  double chi = 0;
  for (const int count : counts) chi += (count - expected) * (count - expected) / expected;
  const double freedom = static_cast<double>(counts.size()) - 1;
  return (chi - freedom) / std::sqrt(2 * freedom);
}

// Over many epochs each sample turns up equally often at each position (which tests the smallest
// networks), and each pair of neighbours equally often.
TEST(Sampler, PositionsAreUniform) {
  for (const std::uint64_t samples : {2, 3, 5, 10, 16}) {
    const Sampler sampler(samples, 11, Order::full);
    std::vector<int> at_first(samples), at_last(samples), pairs(samples * samples);
    for (std::uint32_t epoch = 0; epoch < 20000; ++epoch) {
      const std::uint64_t first = sampler.index(epoch, 0);
      ++at_first[first];
      ++at_last[sampler.index(epoch, samples - 1)];
      ++pairs[first * samples + sampler.index(epoch, 1)];
    }
    std::erase(pairs, 0);  // a sample never follows itself
    EXPECT_EQ(pairs.size(), samples * (samples - 1));
    EXPECT_LT(excess(at_first), 4.5) << samples;
    EXPECT_LT(excess(at_last), 4.5) << samples;
    EXPECT_LT(excess(pairs), 4.5) << samples;
  }
}

// Which of 50 parts of the data set the samples of a batch come from.
TEST(Sampler, BatchesAreMixed) {
  constexpr std::uint64_t samples = 100000;
  constexpr int parts = 50;
  const Sampler sampler(samples, 1, Order::full);
  std::vector<int> counts(parts * parts);  // by part of the epoch and part of the data set
  for (std::uint64_t i = 0; i < samples; ++i) {
    ++counts[i * parts / samples * parts + sampler.index(0, i) * parts / samples];
  }
  // Rows and columns have fixed sums: the mean is lower, never higher.
  EXPECT_LT(excess(counts), 4.5);
  EXPECT_GT(excess(counts), -6);
  // Steps between neighbours: as often up as down.
  int up = 0;
  for (std::uint64_t i = 1; i < samples; ++i) up += sampler.index(0, i) > sampler.index(0, i - 1);
  EXPECT_NEAR(up, samples / 2, 4.5 * std::sqrt(samples / 12.0));
}

TEST(Sampler, HugeDataSetsCostNoMore) {
  const std::uint64_t samples = (1ull << 62) + 12345;
  const Sampler sampler(samples, 3, Order::full);
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::uint64_t index = sampler.index(1, samples - 1 - i * 1000003);
    EXPECT_LT(index, samples);
    seen.insert(index);
  }
  EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace convoy
