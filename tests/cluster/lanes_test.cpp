// Lanes, the fixed tree, and the cutting of buckets: pure functions.
#include "cluster/lanes.h"

#include <gtest/gtest.h>

#include <numeric>

#include "cluster/reducer.h"
#include "ops/core/random.h"

namespace convoy {
namespace {

TEST(Lanes, AreContiguousAndEven) {
  for (int lanes = 1; lanes <= 20; ++lanes) {
    for (int parts = 1; parts <= lanes; ++parts) {
      int next = 0;
      for (int part = 0; part < parts; ++part) {
        const LaneRange range = lanes_of(part, parts, lanes);
        EXPECT_EQ(range.begin, next);
        EXPECT_GE(range.count(), lanes / parts);
        EXPECT_LE(range.count(), (lanes + parts - 1) / parts);
        next = range.end;
      }
      EXPECT_EQ(next, lanes);
    }
  }
  EXPECT_EQ(lanes_of(1, 2, LaneRange{3, 8}), (LaneRange{5, 8}));
}

TEST(Tree, SplitsAtTheLargestPowerOfTwoBelow) {
  EXPECT_EQ(tree_split({0, 2}), 1);
  EXPECT_EQ(tree_split({0, 3}), 2);
  EXPECT_EQ(tree_split({0, 8}), 4);
  EXPECT_EQ(tree_split({0, 12}), 8);
  EXPECT_EQ(tree_split({8, 12}), 10);
  EXPECT_EQ(tree_split({4, 7}), 6);
}

TEST(Tree, CoveringNodes) {
  EXPECT_EQ(covering_nodes({0, 8}, 8), (std::vector<LaneRange>{{0, 8}}));
  EXPECT_EQ(covering_nodes({1, 7}, 8), (std::vector<LaneRange>{{1, 2}, {2, 4}, {4, 6}, {6, 7}}));
  EXPECT_EQ(covering_nodes({5, 12}, 12), (std::vector<LaneRange>{{5, 6}, {6, 8}, {8, 12}}));
  EXPECT_EQ(covering_nodes({4, 7}, 7), (std::vector<LaneRange>{{4, 7}}));
}

TEST(Tree, AdditionsEndInTheLastPartOrAtHome) {
  const std::vector<LaneRange> root{{0, 4}};
  const std::vector<LaneRange> leaves{{0, 1}, {1, 2}, {2, 3}, {3, 4}};
  EXPECT_EQ(tree_additions(root, leaves), (std::vector<Addition>{{1, 0}, {3, 2}, {3, 1}}));
  EXPECT_EQ(tree_additions(root, leaves, 0), (std::vector<Addition>{{0, 1}, {3, 2}, {0, 3}}));
  EXPECT_EQ(tree_additions(root, leaves, 2), (std::vector<Addition>{{1, 0}, {2, 3}, {2, 1}}));
}

// What every cut must hold: all floats, in order, sizes within the limits.
void expect_sound(const std::vector<Bucket>& buckets, std::size_t floats, BucketLimits limits) {
  std::size_t end = 0;
  for (const Bucket bucket : buckets) {
    EXPECT_EQ(bucket.begin, end);
    EXPECT_GT(bucket.end, bucket.begin);
    EXPECT_LE((bucket.end - bucket.begin) * sizeof(float), limits.bytes);
    end = bucket.end;
  }
  EXPECT_EQ(end, floats);
  if (floats == 0) return;
  EXPECT_LE((buckets.back().end - buckets.back().begin) * sizeof(float), limits.last_bytes);
}

TEST(Buckets, FollowTheGradients) {
  const BucketLimits limits{.bytes = 4000, .last_bytes = 800};
  const std::vector<std::size_t> ready{300, 600, 900, 1100, 1400, 1500, 1600};
  EXPECT_EQ(cut_buckets(ready, limits), (std::vector<Bucket>{{0, 900}, {900, 1400}, {1400, 1600}}));
}

TEST(Buckets, LargeGradientsAreCutEvenly) {
  const BucketLimits limits{.bytes = 4000, .last_bytes = 4000};
  const std::vector<std::size_t> ready{100, 2100, 2200};
  const std::vector<Bucket> buckets = cut_buckets(ready, limits);
  expect_sound(buckets, 2200, limits);
  EXPECT_EQ(buckets.front(), (Bucket{0, 100}));
  EXPECT_EQ(buckets.back(), (Bucket{2100, 2200}));
  EXPECT_EQ(buckets.size(), 5);
}

TEST(Buckets, SmallModelIsOneBucket) {
  const std::vector<std::size_t> ready{10, 20, 30};
  EXPECT_EQ(cut_buckets(ready), (std::vector<Bucket>{{0, 30}}));
  EXPECT_TRUE(cut_buckets({}).empty());
}

TEST(Buckets, AnyGradients) {
  Random random(1, RandomUse::test, 0);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::size_t> ready;
    std::size_t end = 0;
    for (std::uint32_t i = random.below(20); i > 0; --i) {
      end += random.below(random.below(4) == 0 ? 20000 : 300);
      ready.push_back(end);
    }
    const BucketLimits limits{.bytes = 1024 + 4 * random.below(8000),
                              .last_bytes = 256 + 4 * random.below(150)};
    expect_sound(cut_buckets(ready, limits), end, limits);
  }
}

}  // namespace
}  // namespace convoy
