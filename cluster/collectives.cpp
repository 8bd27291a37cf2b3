// The collectives that all communicators share, built on exchange() alone. Each takes a number of
// rounds that grows with the logarithm of the ranks, except where every rank must hear every other
// one's own bytes.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "cluster/communicator.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

constexpr std::size_t gather_limit = 1u << 15;  // doubles; above, a reduction goes by slices

struct Slice {
  std::size_t begin;
  std::size_t end;
  std::size_t count() const { return end - begin; }
};

Slice slice_of(int part, int parts, std::size_t count) {
  const auto n = static_cast<std::size_t>(parts);
  const auto p = static_cast<std::size_t>(part);
  return {p * count / n, (p + 1) * count / n};
}

}  // namespace

// Binomial tree.
void Communicator::broadcast(std::span<std::byte> bytes, int root) {
  const int ranks = size();
  const int relative = (rank() - root + ranks) % ranks;
  int distance = 1;
  while (distance < ranks && (relative & distance) == 0) distance *= 2;
  if (relative != 0) {
    const Incoming in{(relative - distance + root) % ranks, bytes};
    exchange({}, {&in, 1});
  }
  std::array<Outgoing, 32> out;
  std::size_t children = 0;
  for (distance /= 2; distance > 0; distance /= 2) {
    if (relative + distance >= ranks) continue;
    out[children++] = {(relative + distance + root) % ranks, bytes};
  }
  exchange({out.data(), children}, {});
}

// Bruck, Ho, Kipnis, Upfal, Weathersby, "Efficient algorithms for all-to-all communications in
// multiport message-passing systems" (1997): each round doubles the blocks that a rank holds. The
// blocks of a round are neighbours in the ring of ranks, so in memory they are one or two runs.
void Communicator::all_gather(std::span<const std::byte> mine, std::span<std::byte> all) {
  const int ranks = size();
  const std::size_t bytes = mine.size();
  require(all.size() == bytes * static_cast<std::size_t>(ranks), ExitCode::internal, "all_gather",
          "room for {} bytes, expected {} ranks of {}", all.size(), ranks, bytes);
  std::copy(mine.begin(), mine.end(),
            all.begin() + static_cast<std::ptrdiff_t>(bytes * static_cast<std::size_t>(rank())));
  if (bytes == 0) return;
  const auto blocks = [&](int begin, int end) {
    return all.subspan(static_cast<std::size_t>(begin) * bytes,
                       static_cast<std::size_t>(end - begin) * bytes);
  };
  for (int held = 1; held < ranks; held *= 2) {
    const int count = std::min(held, ranks - held);
    std::array<Outgoing, 2> out;
    std::array<Incoming, 2> in;
    std::size_t outs = 0;
    std::size_t ins = 0;
    // Blocks (last - count, last] of the ring, cut where the ring closes.
    const auto each_run = [&](int last, auto&& use) {
      const int first = last - count + 1;
      if (first < 0) use(blocks(first + ranks, ranks));
      use(blocks(std::max(first, 0), last + 1));
    };
    const int to = (rank() + held) % ranks;
    const int from = (rank() - held + ranks) % ranks;
    each_run(rank(), [&](std::span<std::byte> run) { out[outs++] = {to, run}; });
    each_run(from, [&](std::span<std::byte> run) { in[ins++] = {from, run}; });
    exchange({out.data(), outs}, {in.data(), ins});
  }
}

// Dissemination: after round k every rank has heard of 2^k others.
void Communicator::barrier() {
  const int ranks = size();
  for (int distance = 1; distance < ranks; distance *= 2) {
    const std::byte sent{};
    std::byte received{};
    const Outgoing out{(rank() + distance) % ranks, {&sent, 1}};
    const Incoming in{(rank() - distance + ranks) % ranks, {&received, 1}};
    exchange({&out, 1}, {&in, 1});
  }
}

void Communicator::all_reduce_sum(std::span<double> values) {
  all_reduce(values, [](double a, double b) { return a + b; });
}

void Communicator::all_reduce_max(std::span<double> values) {
  all_reduce(values, [](double a, double b) { return std::isnan(b) || a < b ? b : a; });
}

void Communicator::all_reduce(std::span<double> values, Combine combine) {
  if (size() == 1) return;
  const std::size_t count = values.size();
  const auto ranks = static_cast<std::size_t>(size());
  if (count * ranks > gather_limit) return all_reduce_slices(values, combine);
  scratch_.resize(std::max(scratch_.size(), count * ranks));
  const std::span<double> all(scratch_.data(), count * ranks);
  all_gather(std::as_bytes(values), std::as_writable_bytes(all));
  for (std::size_t i = 0; i < count; ++i) {
    double total = all[i];
    for (std::size_t r = 1; r < ranks; ++r) total = combine(total, all[r * count + i]);
    values[i] = total;
  }
}

// Each rank combines one slice of all ranks' values, then all share the slices.
void Communicator::all_reduce_slices(std::span<double> values, Combine combine) {
  const int ranks = size();
  const auto slice = [&](int r) {
    const auto [begin, end] = slice_of(r, ranks, values.size());
    return values.subspan(begin, end - begin);
  };
  const std::span<double> mine = slice(rank());
  scratch_.resize(std::max(scratch_.size(), mine.size() * static_cast<std::size_t>(ranks)));
  const auto received = [&](int r) {
    return std::span(scratch_).subspan(static_cast<std::size_t>(r) * mine.size(), mine.size());
  };
  std::vector<Outgoing> out;
  std::vector<Incoming> in;
  for (int r = 0; r < ranks; ++r) {
    out.push_back({r, std::as_bytes(slice(r))});
    in.push_back({r, std::as_writable_bytes(received(r))});
  }
  exchange(out, in);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    double total = received(0)[i];
    for (int r = 1; r < ranks; ++r) total = combine(total, received(r)[i]);
    mine[i] = total;
  }
  out.clear();
  in.clear();
  for (int r = 0; r < ranks; ++r) {
    if (r == rank()) continue;
    out.push_back({r, std::as_bytes(mine)});
    in.push_back({r, std::as_writable_bytes(slice(r))});
  }
  exchange(out, in);
}

std::vector<std::string> Communicator::all_gather_text(std::string_view mine) {
  const int ranks = size();
  const std::uint64_t length = mine.size();
  std::vector<std::uint64_t> lengths(static_cast<std::size_t>(ranks));
  all_gather(std::as_bytes(std::span(&length, 1)), std::as_writable_bytes(std::span(lengths)));
  std::vector<std::string> texts(static_cast<std::size_t>(ranks));
  std::vector<Outgoing> out;
  std::vector<Incoming> in;
  for (int r = 0; r < ranks; ++r) {
    std::string& text = texts[static_cast<std::size_t>(r)];
    text.resize(lengths[static_cast<std::size_t>(r)]);
    out.push_back({r, std::as_bytes(std::span(mine))});
    in.push_back({r, std::as_writable_bytes(std::span(text))});
  }
  exchange(out, in);
  return texts;
}

std::string Communicator::broadcast_text(std::string_view text, int root) {
  std::uint64_t length = text.size();
  broadcast(std::as_writable_bytes(std::span(&length, 1)), root);
  std::string received(rank() == root ? text : std::string_view());
  received.resize(length);
  broadcast(std::as_writable_bytes(std::span(received)), root);
  return received;
}

std::vector<int> members_of_color(Communicator& communicator, int color, int key) {
  const std::array<int, 2> mine{color, key};
  std::vector<std::array<int, 2>> all(static_cast<std::size_t>(communicator.size()));
  communicator.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
  std::vector<int> members;
  for (int r = 0; r < communicator.size(); ++r) {
    if (all[static_cast<std::size_t>(r)][0] == color) members.push_back(r);
  }
  std::stable_sort(members.begin(), members.end(), [&](int a, int b) {
    return all[static_cast<std::size_t>(a)][1] < all[static_cast<std::size_t>(b)][1];
  });
  return members;
}

}  // namespace convoy
