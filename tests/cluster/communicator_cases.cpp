#include "tests/cluster/communicator_cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <thread>

namespace convoy::test {
namespace {

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

void knows_itself(Communicator& communicator) {
  std::vector<int> ranks(static_cast<std::size_t>(communicator.size()));
  const int mine = communicator.rank();
  communicator.all_gather(std::as_bytes(std::span(&mine, 1)), room_of(ranks));
  std::vector<int> expected(ranks.size());
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(ranks, expected);
  EXPECT_EQ(communicator.local_size(), communicator.size());  // tests run on one host
  EXPECT_EQ(communicator.local_rank(), communicator.rank());
  EXPECT_FALSE(communicator.host().empty());
}

// Several messages per pair, to oneself too and some of them empty, must arrive in the order of
// their spans.
void exchange_keeps_order(Communicator& communicator) {
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
}

// Larger than any buffer inside a member, and no multiple of anything.
void large_messages(Communicator& communicator) {
  const int ranks = communicator.size();
  constexpr std::size_t count = 777777;
  const std::vector<int> sent = pattern(communicator.rank(), count);
  std::vector<int> received(count);
  const Outgoing out{(communicator.rank() + 1) % ranks, bytes_of(sent)};
  const int from = (communicator.rank() + ranks - 1) % ranks;
  const Incoming in{from, room_of(received)};
  communicator.exchange({&out, 1}, {&in, 1});
  EXPECT_TRUE(received == pattern(from, count));
}

void broadcast_from_every_root(Communicator& communicator) {
  for (int root = 0; root < communicator.size(); ++root) {
    std::vector<int> values = pattern(communicator.rank(), 1000);
    communicator.broadcast(room_of(values), root);
    EXPECT_EQ(values, pattern(root, 1000));
  }
}

void all_gather(Communicator& communicator) {
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
}

// Nobody leaves before the last one, which comes late, has come.
void barrier(Communicator& communicator) {
  const auto start = std::chrono::steady_clock::now();
  const auto late = std::chrono::milliseconds(30);
  communicator.barrier();
  for (int last = 0; last < communicator.size(); ++last) {
    if (communicator.rank() == last) std::this_thread::sleep_for(late);
    communicator.barrier();
    EXPECT_GE(std::chrono::steady_clock::now() - start, late * (last + 1));
  }
}

// These sums depend on their order, so equality with the loop over ranks shows that it is kept. The
// long ones go by slices.
void reductions_go_in_rank_order(Communicator& communicator) {
  const auto value = [](int rank, std::size_t i) {
    return std::pow(-3.0, rank) * (1.0 + static_cast<double>(i) / 7.0) + 1e-9;
  };
  for (const std::size_t count : {std::size_t{1}, std::size_t{5}, std::size_t{70001}}) {
    std::vector<double> sums(count), expected_sum(count), expected_max(count);
    for (std::size_t i = 0; i < count; ++i) {
      sums[i] = value(communicator.rank(), i);
      expected_sum[i] = expected_max[i] = value(0, i);
      for (int r = 1; r < communicator.size(); ++r) {
        expected_sum[i] += value(r, i);
        expected_max[i] = std::max(expected_max[i], value(r, i));
      }
    }
    std::vector<double> maxima = sums;
    communicator.all_reduce_sum(sums);
    communicator.all_reduce_max(maxima);
    EXPECT_TRUE(sums == expected_sum) << count;
    EXPECT_TRUE(maxima == expected_max) << count;
  }
}

void not_a_number_wins_the_maximum(Communicator& communicator) {
  for (int bad = 0; bad < communicator.size(); ++bad) {
    double value = communicator.rank() == bad ? std::numeric_limits<double>::quiet_NaN() : 1.0;
    communicator.all_reduce_max({&value, 1});
    EXPECT_TRUE(std::isnan(value));
  }
}

void texts(Communicator& communicator) {
  const auto text = [](int rank) { return std::string(static_cast<std::size_t>(rank * 3), 'a'); };
  const auto all = communicator.all_gather_text(text(communicator.rank()));
  ASSERT_EQ(static_cast<int>(all.size()), communicator.size());
  for (int r = 0; r < communicator.size(); ++r) {
    EXPECT_EQ(all[static_cast<std::size_t>(r)], text(r));
  }
  const int root = communicator.size() - 1;
  EXPECT_EQ(communicator.broadcast_text(text(communicator.rank()), root), text(root));
}

// Two threads per rank, each on a communicator of its own.
void duplicates_do_not_mix(Communicator& communicator) {
  const auto first = communicator.duplicate();
  const auto second = first->duplicate();
  EXPECT_EQ(second->rank(), communicator.rank());
  EXPECT_EQ(second->local_size(), communicator.local_size());
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
}

void split(Communicator& communicator) {
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
}

}  // namespace

const std::vector<CommunicatorCase>& communicator_cases() {
  static const std::vector<CommunicatorCase> cases{
      {"KnowsItself", knows_itself},
      {"ExchangeKeepsOrder", exchange_keeps_order},
      {"LargeMessages", large_messages},
      {"BroadcastFromEveryRoot", broadcast_from_every_root},
      {"AllGather", all_gather},
      {"Barrier", barrier},
      {"ReductionsGoInRankOrder", reductions_go_in_rank_order},
      {"NotANumberWinsTheMaximum", not_a_number_wins_the_maximum},
      {"Texts", texts},
      {"DuplicatesDoNotMix", duplicates_do_not_mix},
      {"Split", split},
  };
  return cases;
}

}  // namespace convoy::test
