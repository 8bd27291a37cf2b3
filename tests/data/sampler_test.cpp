// Sampler: a permutation for any number of samples, another one for each epoch and seed, without
// visible structure; in blocks, local too; balanced, by the weights of classes.
#include "data/sampler.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "data/permutation.h"
#include "ops/core/check.h"
#include "tests/data/files.h"

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

TEST(Permutation, KnowsWhereEachValueStands) {
  for (const std::uint64_t size : {1, 2, 3, 5, 17, 1000}) {
    const Permutation permutation(size, 5, RandomUse::test, 2);
    for (std::uint64_t i = 0; i < size; ++i) {
      EXPECT_EQ(permutation.place_of(permutation.at(i)), i);
      EXPECT_EQ(permutation.at(permutation.place_of(i)), i);
    }
  }
}

// Raw images of 12 bytes in several shards, with label i % classes.
class DatasetOrders : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ =
        std::filesystem::temp_directory_path() / fmt::format("convoy-sampler-test.{}", ::getpid());
    std::filesystem::remove_all(folder_);
    pack(write_idx(folder_ / "source", samples, classes), {},
         {.output = folder_ / "data", .shard_bytes = 3000, .mix = false});
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static constexpr std::uint32_t samples = 1009;
  static constexpr std::uint32_t classes = 5;
  static constexpr std::uint64_t image_bytes = 12;
  static SamplerOptions blocked(std::uint64_t global_batch, std::uint64_t lanes,
                                std::uint64_t block_samples, std::uint64_t window) {
    return {.order = Order::blocked,
            .seed = 3,
            .global_batch = global_batch,
            .lanes = lanes,
            .block_bytes = block_samples * image_bytes,
            .window_blocks = window};
  }
  const Dataset dataset_{folder_ / "data", "train"};
  static inline std::filesystem::path folder_;
};

// Batches that straddle epochs, short last blocks and windows, more rows than a block, one block.
TEST_F(DatasetOrders, BlocksShowEverySampleOnce) {
  struct Case {
    std::uint64_t global_batch, lanes, block, window;
  };
  for (const Case c : {Case{32, 4, 10, 3},
                       {32, 8, 7, 1},
                       {1024, 2, 10, 2},
                       {7, 7, 100, 4},
                       {64, 1, 1, 16},
                       {16, 2, 5000, 2},
                       {2048, 8, 3, 2}}) {
    const Sampler sampler(dataset_, blocked(c.global_batch, c.lanes, c.block, c.window));
    std::set<std::vector<std::uint64_t>> orders;
    for (const std::uint32_t epoch : {0u, 1u, 2u, 77u}) {
      const auto order = epoch_of(sampler, epoch);
      std::vector<int> visits(samples);
      for (const std::uint64_t index : order) {
        ASSERT_LT(index, samples);
        ++visits[index];
      }
      EXPECT_EQ(visits, std::vector<int>(samples, 1)) << c.global_batch << " " << c.lanes;
      orders.insert(order);
    }
    EXPECT_EQ(orders.size(), 4u);
  }
}

// What one lane reads lies in few blocks at a time, and what it will read was announced a window
// before, block by block.
TEST_F(DatasetOrders, BlocksAreReadTogetherAndAnnounced) {
  constexpr std::uint64_t global_batch = 40, lanes = 4, rows = 10, block = 20, window = 3;
  const Sampler sampler(dataset_, blocked(global_batch, lanes, block, window));
  std::map<std::uint64_t, std::set<std::uint64_t>> announced;  // by lane
  for (std::uint64_t p = 0; p < 3 * samples; p += rows) {
    const std::uint64_t lane = p / rows % lanes;
    std::set<std::uint64_t> blocks;
    for (std::uint64_t q = p; q < p + rows; ++q) {
      const std::uint64_t sample =
          sampler.index(static_cast<std::uint32_t>(q / samples), q % samples);
      blocks.insert(sample / block);
      // Beyond the first windows, and but for what the last windows of an epoch leave over.
      if (q > 2 * window * block * lanes) {
        EXPECT_TRUE(announced[lane].count(sample)) << q;
      }
    }
    EXPECT_LE(blocks.size(), 2 * (window + 1));
    sampler.upcoming(static_cast<std::uint32_t>(p / samples), p % samples,
                     [&](std::uint64_t begin, std::uint64_t end) {
                       ASSERT_LT(begin, end);
                       for (; begin < end; ++begin) announced[lane].insert(begin);
                     });
  }
}

TEST_F(DatasetOrders, OrdersAnnounceWhatComes) {
  for (const Order order : {Order::full, Order::sequential, Order::balanced}) {
    const Sampler sampler(dataset_, {.order = order, .seed = 3, .global_batch = 40, .lanes = 4});
    std::vector<std::uint64_t> coming, announced;
    const std::uint64_t at = 990;  // row 0 of lane 3 of a step: two steps later is the next epoch
    for (std::uint64_t p = at + 80; p < at + 90; ++p) {
      coming.push_back(sampler.index(static_cast<std::uint32_t>(p / samples), p % samples));
    }
    sampler.upcoming(0, at, [&](std::uint64_t begin, std::uint64_t end) {
      for (; begin < end; ++begin) announced.push_back(begin);
    });
    EXPECT_EQ(announced, coming);
  }
}

// Chi-square over parts of the epoch and parts of the data set, for blocks that are much smaller.
TEST_F(DatasetOrders, BlocksAreMixed) {
  constexpr std::uint64_t parts = 10;
  const Sampler sampler(dataset_, blocked(32, 4, 4, 4));
  std::vector<int> counts(parts * parts);
  for (std::uint32_t epoch = 0; epoch < 100; ++epoch) {
    for (std::uint64_t i = 0; i < samples; ++i) {
      ++counts[i * parts / samples * parts + sampler.index(epoch, i) * parts / samples];
    }
  }
  // Samples of a block come together, which is worth at most its size in the variance.
  EXPECT_LT(excess(counts), 4 * 4.5 + 4 * std::sqrt(parts * parts / 2.0));
  std::vector<int> first(samples);  // at which sample an epoch begins: all alike
  for (std::uint32_t epoch = 0; epoch < 20000; ++epoch) ++first[sampler.index(epoch, 0)];
  EXPECT_LT(excess(first), 4.5);
}

TEST_F(DatasetOrders, BalancedDrawsClassesByWeight) {
  constexpr std::uint32_t epochs = 100;
  for (const std::vector<double>& weights :
       {std::vector<double>{}, {1, 1, 1, 1, 1}, {0, 3, 1, 0, 4}}) {
    const Sampler sampler(dataset_,
                          {.order = Order::balanced, .seed = 5, .class_weights = weights});
    std::vector<int> by_class(classes);
    std::vector<int> by_sample(samples);
    for (std::uint32_t epoch = 0; epoch < epochs; ++epoch) {
      for (const std::uint64_t index : epoch_of(sampler, epoch)) {
        ++by_class[static_cast<std::size_t>(dataset_.sample(index).label)];
        ++by_sample[index];
      }
    }
    const double sum =
        weights.empty() ? classes : std::accumulate(weights.begin(), weights.end(), 0.0);
    for (std::uint32_t c = 0; c < classes; ++c) {
      const double chance = (weights.empty() ? 1 : weights[c]) / sum;
      const double expected = chance * samples * epochs;
      EXPECT_NEAR(by_class[c], expected, 4.5 * std::sqrt(expected * (1 - chance) + 0.01)) << c;
      std::vector<int> members;
      for (std::uint64_t i = 0; i < samples; ++i) {
        if (dataset_.sample(i).label == static_cast<std::int32_t>(c)) {
          members.push_back(by_sample[i]);
        }
      }
      if (chance > 0) {
        EXPECT_LT(excess(members), 4.5) << c;
      }
    }
  }
  const auto refused = [&](std::vector<double> weights) {
    return error_of(ExitCode::config, [&] {
      Sampler(dataset_, {.order = Order::balanced, .class_weights = std::move(weights)});
    });
  };
  EXPECT_EQ(refused({1, 2}),
            "data.class_weights: has 2 weights, expected one for each of 5 classes");
  EXPECT_EQ(refused({0, 0, 0, 0, 0}), "data.class_weights: are all 0, or no sample has a label");
}

// Nothing is prepared for an epoch: any position costs microseconds.
TEST_F(DatasetOrders, SeekingCostsNothing) {
  for (const Order order : {Order::full, Order::sequential, Order::blocked, Order::balanced}) {
    const Sampler sampler(dataset_, {.order = order, .seed = 3, .global_batch = 32, .lanes = 4});
    const auto start = std::chrono::steady_clock::now();
    std::uint64_t sum = 0;
    for (std::uint32_t epoch = 50; epoch < 150; ++epoch) sum += sampler.index(epoch, samples / 2);
    const std::chrono::duration<double> each = (std::chrono::steady_clock::now() - start) / 100;
    EXPECT_LT(each.count(), 0.001) << sum;
  }
}

TEST_F(DatasetOrders, SayWhatABatchIsMixedFrom) {
  const auto said = [&](const SamplerOptions& options) {
    return Sampler(dataset_, options).describe();
  };
  EXPECT_EQ(said({}), "order full: another permutation of all 1009 samples each epoch");
  EXPECT_EQ(said(blocked(32, 4, 10, 3)),
            "order blocked: 101 blocks of 10 samples (0.00 MiB); a batch draws from 4 lanes of 3 "
            "blocks, 120 samples (11.9 % of all); reads 0 MiB ahead");
}

}  // namespace
}  // namespace convoy
