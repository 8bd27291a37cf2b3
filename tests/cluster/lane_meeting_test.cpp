// Lanes on threads of their own meet, whatever rank holds them.
#include "cluster/lane_meeting.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "ops/core/check.h"
#include "tests/support/ranks.h"

namespace convoy {
namespace {

constexpr int lanes = 5;

// What lane `lane` brings to meeting `meeting`: values whose sum depends on the order of additions.
std::vector<double> values_of(int lane, int meeting) {
  std::vector<double> values(3 + meeting);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::exp(10.0 * std::sin(static_cast<double>(17 * lane + 5 * meeting) + i));
  }
  return values;
}

TEST(LaneMeeting, TheSumsAreTheSameBitsOnAnyRanks) {
  constexpr int meetings = 4;
  std::vector<std::vector<double>> expected;
  for (int meeting = 0; meeting < meetings; ++meeting) {
    std::vector<double> total(values_of(0, meeting).size());
    for (int lane = 0; lane < lanes; ++lane) {
      const std::vector<double> values = values_of(lane, meeting);
      for (std::size_t i = 0; i < total.size(); ++i) total[i] += values[i];
    }
    expected.push_back(total);
  }
  for (int ranks = 1; ranks <= lanes; ++ranks) {
    test::on_ranks(ranks, [&](Communicator& communicator) {
      LaneMeeting meeting(communicator, lanes, 3 + meetings);
      const LaneRange mine = lanes_of(communicator.rank(), ranks, lanes);
      std::vector<std::thread> threads;
      for (int lane = mine.begin; lane < mine.end; ++lane) {
        threads.emplace_back([&, lane] {
          for (int number = 0; number < meetings; ++number) {
            std::vector<double> values = values_of(lane, number);
            meeting.sum(lane, values);
            EXPECT_EQ(values, expected[number]) << ranks << " ranks, lane " << lane;
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
    });
  }
}

TEST(LaneMeeting, ALaneThatCannotComeReleasesTheOthers) {
  test::on_ranks(1, [](Communicator& communicator) {
    LaneMeeting meeting(communicator, 2, 1);
    std::thread waiting([&] {
      double value[1] = {1};
      try {
        meeting.sum(0, value);
        ADD_FAILURE() << "met alone";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::data);
      }
    });
    meeting.interrupt(std::make_exception_ptr(Error(ExitCode::data, "image 7", "is cut short")));
    waiting.join();
  });
}

}  // namespace
}  // namespace convoy
