// The mpi member under mpirun: what all members must do, and the same bits as threads of one
// process.
#include <gtest/gtest.h>

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
