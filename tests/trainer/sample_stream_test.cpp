// Which sample goes where: every epoch shows each sample once, whatever the cut into lanes; slots
// and lanes are each other's inverse.
#include "trainer/sample_stream.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <set>

#include "trainer/scores.h"

namespace convoy {
namespace {

TEST(SampleStream, ShowsEachSampleOncePerEpoch) {
  constexpr std::uint64_t samples = 53;
  constexpr int global_batch = 12;
  constexpr int lanes = 4;
  const SampleStream stream(Sampler(samples, 7, Order::full), global_batch, lanes);
  EXPECT_EQ(stream.rows(), 3);
  std::map<std::uint32_t, std::multiset<std::uint64_t>> shown;
  for (std::uint64_t step = 0; step * global_batch < 4 * samples + global_batch; ++step) {
    for (int lane = 0; lane < lanes; ++lane) {
      for (int row = 0; row < stream.rows(); ++row) {
        const RowKey key = stream.at(step, lane, row);
        EXPECT_TRUE(key.present);
        shown[key.epoch].insert(key.index);
      }
    }
  }
  for (std::uint32_t epoch = 0; epoch < 4; ++epoch) {
    EXPECT_EQ(shown[epoch].size(), samples);
    for (std::uint64_t i = 0; i < samples; ++i) EXPECT_EQ(shown[epoch].count(i), 1u);
  }
}

TEST(SampleStream, DoesNotDependOnTheCutIntoLanes) {
  const SampleStream wide(Sampler(100, 7, Order::full), 24, 2);
  const SampleStream narrow(Sampler(100, 7, Order::full), 24, 8);
  for (int i = 0; i < 24; ++i) {
    const RowKey a = wide.at(9, i / 12, i % 12);
    const RowKey b = narrow.at(9, i / 3, i % 3);
    EXPECT_EQ(a.index, b.index);
    EXPECT_EQ(a.epoch, b.epoch);
  }
}

// The partner of a lane's first row is the last row of the lane before, of the same global batch.
TEST(SampleStream, PartnersRollTheGlobalBatch) {
  const SampleStream stream(Sampler(100, 7, Order::full), 24, 4);
  for (const std::uint64_t step : {0u, 9u}) {
    for (int lane = 0; lane < 4; ++lane) {
      const RowKey partner = stream.at(step, lane, -1);
      const RowKey last = stream.at(step, (lane + 3) % 4, 5);
      EXPECT_EQ(partner.index, last.index);
      EXPECT_EQ(partner.epoch, last.epoch);
    }
  }
}

TEST(LaneSlots, TakeTheWorkersInTurns) {
  const LaneSlots slots({{4, 7}, {7, 9}});  // lanes 4 5 6 and 7 8
  EXPECT_EQ(slots.per_step(), 5);
  std::vector<int> order;
  for (std::uint64_t slot = 0; slot < 5; ++slot) order.push_back(slots.lane(slot));
  EXPECT_EQ(order, (std::vector<int>{4, 7, 5, 8, 6}));
  for (std::uint64_t step : {0u, 1u, 1000u}) {
    for (int lane = 4; lane < 9; ++lane) {
      const std::uint64_t slot = slots.slot(step, lane);
      EXPECT_EQ(slots.lane(slot), lane);
      EXPECT_EQ(slots.step(slot), step);
    }
  }
}

TEST(Scores, RankLabelsAsASortWould) {
  const std::vector<float> logits{0.5f, 2.0f, -1.0f, 2.0f, 0.0f};
  EXPECT_EQ(rank_of(logits, 1), 0);
  EXPECT_EQ(rank_of(logits, 3), 1);  // equal to class 1, which comes first
  EXPECT_EQ(rank_of(logits, 0), 2);
  EXPECT_EQ(rank_of(logits, 4), 3);
  EXPECT_EQ(rank_of(logits, 2), 4);
  EXPECT_EQ(best_of(logits), 1);
}

TEST(Scores, NotANumberIsNeverAHit) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_GT(rank_of(std::vector<float>{nan, nan, nan}, 0), 0);
  EXPECT_GT(rank_of(std::vector<float>{nan, 0, 0}, 0), 0);
  EXPECT_GT(rank_of(std::vector<float>{1, nan, 0}, 0), 0);
}

}  // namespace
}  // namespace convoy
