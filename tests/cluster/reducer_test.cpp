// The fixed tree sum: the same bits as a plain recursive sum, for every number of ranks and worker
// threads.
#include "cluster/reducer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <thread>

#include "tests/cluster/lane_sums.h"
#include "tests/support/ranks.h"

namespace convoy {
namespace {

using std::chrono::milliseconds;
using test::bits;
using test::error_of;
using test::expect_holds;
using test::expected_bits;
using test::on_ranks;
using test::run_step;

class TreeSumOfLanes : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Lanes, TreeSumOfLanes, testing::Values(1, 2, 3, 4, 5, 6, 7, 8, 12));

TEST_P(TreeSumOfLanes, SameBitsForAllRanksAndWorkers) {
  const int lanes = GetParam();
  constexpr std::size_t floats = 397;
  const std::vector<Bucket> buckets{{0, 3}, {3, 130}, {130, 131}, {131, 390}, {390, 397}};
  std::array<std::vector<std::uint32_t>, 2> expected;
  for (int step = 0; step < 2; ++step) {
    expected[static_cast<std::size_t>(step)] = expected_bits(step, lanes, floats);
  }
  for (int ranks = 1; ranks <= lanes; ++ranks) {
    for (int wanted = 1; wanted <= 3; ++wanted) {
      on_ranks(ranks, [&](Communicator& communicator) {
        const int own = lanes_of(communicator.rank(), ranks, lanes).count();
        const int workers = std::min(wanted, own);
        Reducer reducer(communicator, lanes, workers, floats, buckets);
        for (int step = 0; step < 2; ++step) {
          run_step(reducer, workers, step, step == 0 ? 61 : floats);
          EXPECT_EQ(bits(reducer.wait()), expected[static_cast<std::size_t>(step)])
              << lanes << " lanes, " << ranks << " ranks, " << workers << " workers";
        }
      });
    }
  }
}

// Buckets of many slices and blocks.
TEST(Reducer, LargeBuckets) {
  constexpr int lanes = 6;
  constexpr std::size_t floats = 30011;
  const auto expected = expected_bits(0, lanes, floats);
  for (const int ranks : {1, 3, 4}) {
    on_ranks(ranks, [&](Communicator& communicator) {
      Reducer reducer(communicator, lanes, 1, floats, {{0, 20000}, {20000, floats}});
      run_step(reducer, 1, 0, 7000);
      EXPECT_EQ(bits(reducer.wait()), expected);
      EXPECT_GE(reducer.times().exposed, 0);
      EXPECT_EQ(reducer.times().busy > 0, ranks > 1);
    });
  }
}

// One lane per worker: the lane's buffer is the partial sum. With one rank and one lane it is the
// result itself.
TEST(Reducer, OneLaneIsNotCopied) {
  const auto communicator = make_single_communicator();
  Reducer reducer(*communicator, 1, 1, 100, {{0, 100}});
  const std::span<float> buffer = reducer.lane_buffer(0, 0);
  run_step(reducer, 1, 0, 100);
  EXPECT_EQ(reducer.wait().data(), buffer.data());
}

TEST(Reducer, LanesTakeTurnsInFewBuffers) {
  const auto communicator = make_single_communicator();
  for (const int lanes : {1, 2, 3, 4, 8, 12, 16, 64}) {
    Reducer reducer(*communicator, lanes, 1, 1, {{0, 1}});
    std::vector<const float*> buffers;
    for (int lane = 0; lane < lanes; ++lane) {
      buffers.push_back(reducer.lane_buffer(0, lane).data());
    }
    std::sort(buffers.begin(), buffers.end());
    const auto distinct = std::unique(buffers.begin(), buffers.end()) - buffers.begin();
    EXPECT_LE(distinct, std::bit_width(static_cast<unsigned>(lanes)) + 1) << lanes << " lanes";
  }
}

TEST(Reducer, StepsAllocateNothing) {
  for (const int ranks : {1, 2, 3}) on_ranks(ranks, test::expect_no_allocation);
}

TEST(Reducer, MoreRanksThanLanes) {
  const std::string error = error_of(ExitCode::config, [] {
    on_ranks(3, [](Communicator& communicator) { Reducer(communicator, 2, 1, 10, {{0, 10}}); });
  });
  expect_holds(error, {"3 ranks for 2 lanes"});
}

// A rank that never delivers: wait() on the others names it, and all reducers end.
TEST(Reducer, DeadlineSurfacesInWait) {
  std::atomic<int> named = 0;
  on_ranks(
      3,
      [&](Communicator& communicator) {
        Reducer reducer(communicator, 3, 1, 1000, {{0, 500}, {500, 1000}});
        communicator.set_activity(communicator.rank() == 1 ? "load batch" : "wait for sums", 3);
        if (communicator.rank() != 1) {
          run_step(reducer, 1, 0, 100);
          expect_holds(error_of(ExitCode::ranks, [&] { reducer.wait(); }),
                       {"gradient bucket 1 of 2", "rank 1", "'load batch' of step 3"});
          ++named;
        }
        while (named < 2) std::this_thread::sleep_for(milliseconds(5));
      },
      milliseconds(300));
}

// Reducers are destroyed while an exchange is under way that will never end.
TEST(Reducer, DestructionDoesNotHang) {
  const auto start = std::chrono::steady_clock::now();
  on_ranks(
      2,
      [](Communicator& communicator) {
        Reducer reducer(communicator, 2, 1, 1000, {{0, 500}, {500, 1000}});
        if (communicator.rank() == 0) run_step(reducer, 1, 0, 1000);
        std::this_thread::sleep_for(milliseconds(50));
      },
      std::chrono::minutes(5));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

}  // namespace
}  // namespace convoy
