// Communicators of threads: what all members must do, and how their waits end.
#include "cluster/communicator.h"

#include <array>
#include <atomic>
#include <chrono>
#include <numeric>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/cluster/communicator_cases.h"
#include "tests/support/ranks.h"

namespace convoy {
namespace {

using std::chrono::milliseconds;
using test::error_of;
using test::expect_holds;
using test::on_ranks;

using Parameters = std::tuple<test::CommunicatorCase, int>;
class LocalRanks : public testing::TestWithParam<Parameters> {};

std::string name_of_case(const testing::TestParamInfo<Parameters>& info) {
  return std::string(std::get<0>(info.param).name) + "On" + std::to_string(std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(Members, LocalRanks,
                         testing::Combine(testing::ValuesIn(test::communicator_cases()),
                                          testing::Values(1, 2, 3, 4, 5, 7, 8)),
                         name_of_case);

TEST_P(LocalRanks, Serve) {
  const auto& [check, ranks] = GetParam();
  on_ranks(ranks, check.check);
}

TEST(SingleCommunicator, ServesItself) {
  const auto communicator = make_single_communicator();
  EXPECT_EQ(communicator->size(), 1);
  std::array<int, 10> received{};
  std::array<int, 10> sent{};
  std::iota(sent.begin(), sent.end(), 4);
  const Outgoing out{0, std::as_bytes(std::span(sent))};
  const Incoming in{0, std::as_writable_bytes(std::span(received))};
  communicator->exchange({&out, 1}, {&in, 1});
  EXPECT_EQ(received, sent);
  EXPECT_EQ(communicator->duplicate()->all_gather_text("x"), std::vector<std::string>{"x"});
}

// Rank 2 does not come: the others name it, and what it said it was doing.
TEST(Deadline, NamesTheMissingRank) {
  std::atomic<int> named = 0;
  std::atomic<bool> all_named = false;
  const auto body = [&](Communicator& communicator) {
    communicator.set_deadline(milliseconds(200));
    communicator.set_activity("exchange gradients", 12);
    if (communicator.rank() == 2) {
      communicator.set_activity("load batch", 12);
      while (!all_named) std::this_thread::sleep_for(milliseconds(5));
      return;
    }
    const std::string error = error_of(ExitCode::ranks, [&] {
      std::vector<int> all(3);
      const int mine = 0;
      std::vector<Outgoing> out;
      std::vector<Incoming> in;
      for (int r = 0; r < 3; ++r) {
        if (r == communicator.rank()) continue;
        out.push_back({r, std::as_bytes(std::span(&mine, 1))});
        in.push_back({r, std::as_writable_bytes(std::span(&all[static_cast<std::size_t>(r)], 1))});
      }
      communicator.exchange(out, in);
    });
    expect_holds(error, {"rank 2", "'load batch' of step 12", "waited 0.2 s",
                         "in 'exchange gradients' of step 12"});
    EXPECT_EQ(error.find('\n'), std::string::npos);
    if (++named == 2) all_named = true;
    while (!all_named) std::this_thread::sleep_for(milliseconds(5));
  };
  run_local_ranks(3, body);
}

// In a chain of waits the one at its end is named too.
TEST(Deadline, NamesWhoDoesNotWait) {
  std::atomic<bool> named = false;
  run_local_ranks(3, [&](Communicator& communicator) {
    communicator.set_deadline(communicator.rank() == 0 ? milliseconds(300) : milliseconds(20000));
    communicator.set_activity(communicator.rank() == 2 ? "stuck" : "fine", 7);
    std::byte byte{};
    const Incoming in{communicator.rank() + 1, {&byte, 1}};
    const Outgoing out{communicator.rank() - 1, {&byte, 1}};
    if (communicator.rank() == 2) {
      while (!named) std::this_thread::sleep_for(milliseconds(5));
      communicator.exchange({&out, 1}, {});
    } else if (communicator.rank() == 1) {
      communicator.exchange({}, {&in, 1});
    } else {
      const std::string error = error_of(ExitCode::ranks, [&] {
        communicator.exchange({}, {&in, 1});
      });
      expect_holds(error, {"for rank 1", "waiting itself", "not waiting: rank 2", "'stuck'"});
      named = true;
    }
  });
}

TEST(Failure, AThrowingRankFreesTheOthers) {
  std::atomic<int> freed = 0;
  const auto start = std::chrono::steady_clock::now();
  const std::string error = error_of(ExitCode::data, [&] {
    run_local_ranks(4, [&](Communicator& communicator) {
      if (communicator.rank() == 1) fail(ExitCode::data, "shard-3", "cut short");
      const std::string why = error_of(ExitCode::ranks, [&] { communicator.barrier(); });
      expect_holds(why, {"rank 1", "failed: shard-3: cut short"});
      ++freed;
    });
  });
  expect_holds(error, {"shard-3: cut short"});
  EXPECT_EQ(freed, 3);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(Failure, ARankThatEndedIsNotWaitedFor) {
  const std::string error = error_of(ExitCode::ranks, [&] {
    run_local_ranks(2, [](Communicator& communicator) {
      if (communicator.rank() == 0) communicator.barrier();
    });
  });
  expect_holds(error, {"rank 1", "has ended"});
}

TEST(Failure, AbortFreesTheOthers) {
  std::atomic<int> freed = 0;
  run_local_ranks(3, [&](Communicator& communicator) {
    if (communicator.rank() == 0) return communicator.abort(65);
    expect_holds(error_of(ExitCode::ranks, [&] { communicator.barrier(); }), {"exit code 65"});
    ++freed;
  });
  EXPECT_EQ(freed, 2);
}

TEST(Failure, WrongSizeIsAnError) {
  const std::string error = error_of(ExitCode::ranks, [] {
    run_local_ranks(2, [](Communicator& communicator) {
      std::array<std::byte, 8> bytes{};
      const Outgoing out{1, std::span(bytes).first(4)};
      const Incoming in{0, bytes};
      if (communicator.rank() == 0) communicator.exchange({&out, 1}, {});
      if (communicator.rank() == 1) communicator.exchange({}, {&in, 1});
    });
  });
  expect_holds(error, {"rank 0", "sent 4 bytes, expected 8"});
}

TEST(Interrupt, EndsAWait) {
  on_ranks(2, [](Communicator& communicator) {
    const auto group = communicator.duplicate();
    if (communicator.rank() == 0) {
      std::thread waiter([&] {
        expect_holds(error_of(ExitCode::ranks, [&] { group->barrier(); }), {"interrupted"});
      });
      std::this_thread::sleep_for(milliseconds(20));
      group->interrupt();
      waiter.join();
    }
    communicator.barrier();
  });
}

}  // namespace
}  // namespace convoy
