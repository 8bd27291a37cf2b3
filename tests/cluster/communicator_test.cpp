// Communicators of threads: exchange, the collectives built on it, groups, and how waits end.
#include "cluster/communicator.h"

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <thread>

#include "tests/support/ranks.h"

namespace convoy {
namespace {

using std::chrono::milliseconds;
using test::error_of;
using test::expect_holds;
using test::on_ranks;

constexpr std::array rank_counts{1, 2, 3, 4, 5, 7, 8};

std::vector<int> pattern(int seed, std::size_t count) {
  std::vector<int> values(count);
  std::iota(values.begin(), values.end(), seed * 100003);
  return values;
}

std::span<const std::byte> bytes_of(const std::vector<int>& values) {
  return std::as_bytes(std::span(values));
}

std::span<std::byte> room_of(std::vector<int>& values) {
  return std::as_writable_bytes(std::span(values));
}

class LocalRanks : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Counts, LocalRanks, testing::ValuesIn(rank_counts));

TEST_P(LocalRanks, KnowThemselves) {
  std::atomic<int> seen = 0;
  on_ranks(GetParam(), [&](Communicator& communicator) {
    EXPECT_EQ(communicator.size(), GetParam());
    EXPECT_EQ(communicator.local_size(), GetParam());
    EXPECT_EQ(communicator.local_rank(), communicator.rank());
    EXPECT_FALSE(communicator.host().empty());
    seen += 1 << communicator.rank();
  });
  EXPECT_EQ(seen, (1 << GetParam()) - 1);
}

// Several messages per pair, to oneself too, must arrive in the order of their spans.
TEST_P(LocalRanks, ExchangeKeepsOrder) {
  on_ranks(GetParam(), [](Communicator& communicator) {
    const int ranks = communicator.size();
    constexpr int messages = 3;
    const auto content = [&](int from, int to, int message) {
      return pattern((from * ranks + to) * messages + message,
                     static_cast<std::size_t>((from + 1) * (message + 1) - 1));
    };
    std::vector<std::vector<int>> sent, received, expected;
    for (int message = 0; message < messages; ++message) {
      for (int peer = 0; peer < ranks; ++peer) {
        sent.push_back(content(communicator.rank(), peer, message));
        expected.push_back(content(peer, communicator.rank(), message));
        received.emplace_back(expected.back().size());
      }
    }
    std::vector<Outgoing> out;
    std::vector<Incoming> in;
    for (std::size_t i = 0; i < sent.size(); ++i) {
      const int peer = static_cast<int>(i) % ranks;
      out.push_back({peer, bytes_of(sent[i])});
      in.push_back({peer, room_of(received[i])});
    }
    for (int repeat = 0; repeat < 20; ++repeat) {
      for (auto& values : received) std::fill(values.begin(), values.end(), -1);
      communicator.exchange(out, in);
      EXPECT_EQ(received, expected);
    }
  });
}

TEST_P(LocalRanks, BroadcastFromEveryRoot) {
  on_ranks(GetParam(), [](Communicator& communicator) {
    for (int root = 0; root < communicator.size(); ++root) {
      std::vector<int> values = pattern(communicator.rank(), 1000);
      communicator.broadcast(room_of(values), root);
      EXPECT_EQ(values, pattern(root, 1000));
    }
  });
}

TEST_P(LocalRanks, AllGather) {
  on_ranks(GetParam(), [](Communicator& communicator) {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{777}}) {
      std::vector<int> all(count * static_cast<std::size_t>(communicator.size()));
      std::vector<int> expected;
      for (int r = 0; r < communicator.size(); ++r) {
        const std::vector<int> theirs = pattern(r, count);
        expected.insert(expected.end(), theirs.begin(), theirs.end());
      }
      communicator.all_gather(bytes_of(pattern(communicator.rank(), count)), room_of(all));
      EXPECT_EQ(all, expected);
    }
  });
}

// Nobody leaves before the last one has come.
TEST_P(LocalRanks, Barrier) {
  std::atomic<int> arrived = 0;
  on_ranks(GetParam(), [&](Communicator& communicator) {
    for (int round = 1; round <= 20; ++round) {
      ++arrived;
      communicator.barrier();
      EXPECT_GE(arrived, round * communicator.size());
      communicator.barrier();
    }
  });
}

// Sums depend on the order here, so equality with the loop over ranks shows that it is kept; the
// long ones go by slices.
TEST_P(LocalRanks, ReductionsGoInRankOrder) {
  const auto value = [](int rank, std::size_t i) {
    return std::pow(-3.0, rank) * (1.0 + static_cast<double>(i) / 7.0) + 1e-9;
  };
  on_ranks(GetParam(), [&](Communicator& communicator) {
    for (const std::size_t count : {std::size_t{1}, std::size_t{5}, std::size_t{70001}}) {
      std::vector<double> sums(count), maxima, expected_sum(count), expected_max(count);
      for (std::size_t i = 0; i < count; ++i) {
        sums[i] = value(communicator.rank(), i);
        expected_sum[i] = expected_max[i] = value(0, i);
        for (int r = 1; r < communicator.size(); ++r) {
          expected_sum[i] += value(r, i);
          expected_max[i] = std::max(expected_max[i], value(r, i));
        }
      }
      maxima = sums;
      communicator.all_reduce_sum(sums);
      communicator.all_reduce_max(maxima);
      EXPECT_EQ(sums, expected_sum);
      EXPECT_EQ(maxima, expected_max);
    }
  });
}

TEST_P(LocalRanks, NotANumberWinsTheMaximum) {
  on_ranks(GetParam(), [](Communicator& communicator) {
    for (int bad = 0; bad < communicator.size(); ++bad) {
      double value = communicator.rank() == bad ? std::numeric_limits<double>::quiet_NaN() : 1.0;
      communicator.all_reduce_max({&value, 1});
      EXPECT_TRUE(std::isnan(value));
    }
  });
}

TEST_P(LocalRanks, Texts) {
  on_ranks(GetParam(), [](Communicator& communicator) {
    const auto text = [](int rank) { return std::string(static_cast<std::size_t>(rank * 3), 'a'); };
    const auto all = communicator.all_gather_text(text(communicator.rank()));
    ASSERT_EQ(static_cast<int>(all.size()), communicator.size());
    for (int r = 0; r < communicator.size(); ++r) {
      EXPECT_EQ(all[static_cast<std::size_t>(r)], text(r));
    }
    const int root = communicator.size() - 1;
    EXPECT_EQ(communicator.broadcast_text(text(communicator.rank()), root), text(root));
  });
}

// Two threads per rank, each on its own communicator, in opposite order.
TEST_P(LocalRanks, DuplicatesDoNotMix) {
  on_ranks(GetParam(), [](Communicator& communicator) {
    const auto first = communicator.duplicate();
    const auto second = first->duplicate();
    EXPECT_EQ(second->rank(), communicator.rank());
    EXPECT_EQ(second->deadline(), communicator.deadline());
    const auto gather = [](Communicator& group, int mark) {
      for (int round = 0; round < 50; ++round) {
        const int mine = mark * 1000 + round * 10 + group.rank();
        std::vector<int> all(static_cast<std::size_t>(group.size()));
        group.all_gather(std::as_bytes(std::span(&mine, 1)), room_of(all));
        for (int r = 0; r < group.size(); ++r) {
          ASSERT_EQ(all[static_cast<std::size_t>(r)], mark * 1000 + round * 10 + r);
        }
      }
    };
    std::thread other([&] { gather(*first, 1); });
    gather(*second, 2);
    other.join();
  });
}

TEST_P(LocalRanks, Split) {
  on_ranks(GetParam(), [](Communicator& communicator) {
    const int color = communicator.rank() % 2;
    const auto group = communicator.split(color, -communicator.rank());
    std::vector<int> expected;
    for (int r = communicator.size() - 1; r >= 0; --r) {
      if (r % 2 == color) expected.push_back(r);
    }
    ASSERT_EQ(group->size(), static_cast<int>(expected.size()));
    EXPECT_EQ(expected[static_cast<std::size_t>(group->rank())], communicator.rank());
    const int mine = communicator.rank();
    std::vector<int> all(expected.size());
    group->all_gather(std::as_bytes(std::span(&mine, 1)), room_of(all));
    EXPECT_EQ(all, expected);
    communicator.barrier();  // the parent still works
  });
}

TEST(SingleCommunicator, ServesItself) {
  const auto communicator = make_single_communicator();
  EXPECT_EQ(communicator->size(), 1);
  std::vector<int> received(10);
  const std::vector<int> sent = pattern(4, 10);
  const Outgoing out{0, bytes_of(sent)};
  const Incoming in{0, room_of(received)};
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
