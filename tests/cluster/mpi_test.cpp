// The mpi member under mpirun: what all members must do, and the same bits as threads of one
// process.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "cluster/reducer.h"
#include "tests/cluster/communicator_cases.h"
#include "tests/cluster/lane_sums.h"
#include "tests/support/ranks.h"

namespace convoy {
namespace {

Communicator* world = nullptr;  // from main(), while the tests run

class MpiRanks : public testing::TestWithParam<test::CommunicatorCase> {};

std::string name_of_case(const testing::TestParamInfo<test::CommunicatorCase>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Members, MpiRanks, testing::ValuesIn(test::communicator_cases()),
                         name_of_case);

TEST_P(MpiRanks, Serve) {
  GetParam().check(*world);
}

std::vector<std::uint32_t> sum_of_lanes(Communicator& communicator, int lanes, int workers) {
  constexpr std::size_t floats = 5003;
  workers = std::min(workers, lanes_of(communicator.rank(), communicator.size(), lanes).count());
  Reducer reducer(communicator, lanes, workers, floats, {{0, 2}, {2, 4000}, {4000, floats}});
  for (int step = 0; step < 3; ++step) {
    test::run_step(reducer, workers, step, 700);
    if (step < 2) reducer.wait();
  }
  return test::bits(reducer.wait());
}

TEST(MpiReducer, SameBitsAsThreads) {
  for (const int lanes : {3, 4, 5, 7, 8, 12}) {
    for (const int workers : {1, 2}) {
      const auto ours = sum_of_lanes(*world, lanes, workers);
      EXPECT_TRUE(ours == test::expected_bits(2, lanes, ours.size()));
      test::on_ranks(world->size(), [&](Communicator& local) {
        EXPECT_TRUE(sum_of_lanes(local, lanes, workers) == ours) << lanes << " lanes";
      });
    }
  }
}

TEST(MpiReducer, StepsAllocateNothing) {
  test::expect_no_allocation(*world);
}

// Disabled: takes gigabytes. Counts of MPI are ints.
TEST(MpiExchange, DISABLED_MoreThanTwoGibibytes) {
  constexpr std::size_t bytes = (std::size_t{1} << 31) + 12345;
  const double free = static_cast<double>(::sysconf(_SC_AVPHYS_PAGES)) *
                      static_cast<double>(::sysconf(_SC_PAGESIZE));
  double enough = free > 3.0 * static_cast<double>(bytes) ? 0 : 1;
  world->all_reduce_max({&enough, 1});
  if (enough > 0) GTEST_SKIP() << "not enough memory";
  std::vector<std::uint64_t> words(bytes / 8 + 1);
  const std::span<std::byte> message = std::as_writable_bytes(std::span(words)).first(bytes);
  const Outgoing out{1, message};
  const Incoming in{0, message};
  if (world->rank() == 0) {
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = i * 0x9E3779B97F4A7C15;
    world->exchange({&out, 1}, {});
  } else if (world->rank() == 1) {
    world->exchange({}, {&in, 1});
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < bytes / 8; ++i) wrong += words[i] != i * 0x9E3779B97F4A7C15;
    EXPECT_EQ(wrong, 0);
  }
  world->barrier();
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  convoy::MpiSession session;
  const auto communicator = session.world();
  communicator->set_deadline(std::chrono::seconds(20));
  convoy::world = communicator.get();
  if (communicator->size() < 2) {
    std::cerr << "mpi_test: one rank only: start it with mpirun -n 3\n";
    return 1;
  }
  return RUN_ALL_TESTS();
}
