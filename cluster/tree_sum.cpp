#include "cluster/tree_sum.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ops/core/check.h"

namespace convoy {
namespace {

constexpr std::size_t grain = 16;  // floats: slices begin on cache lines where the range does

void add(float* __restrict into, const float* __restrict from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) into[i] += from[i];
}

}  // namespace

// Block by block, so that an addition finds in the cache what the one before it left there.
void add_parts(std::span<const Addition> additions, std::span<float* const> parts,
               std::size_t begin, std::size_t end) {
  constexpr std::size_t block = 2048;
  if (additions.empty()) return;
  for (std::size_t at = begin; at < end; at += block) {
    const std::size_t count = std::min(block, end - at);
    for (const auto [into, from] : additions) {
      add(parts[static_cast<std::size_t>(into)] + at, parts[static_cast<std::size_t>(from)] + at,
          count);
    }
  }
}

TreeSum::TreeSum(Communicator& communicator, int lanes, std::vector<float*> parts,
                 std::size_t longest)
    : communicator_(communicator), parts_(std::move(parts)) {
  const int ranks = communicator.size();
  std::vector<LaneRange> nodes;
  for (int rank = 0; rank < ranks; ++rank) {
    if (rank == communicator.rank()) first_ = nodes.size();
    for (const LaneRange node : covering_nodes(lanes_of(rank, ranks, lanes), lanes)) {
      nodes.push_back(node);
      owners_.push_back(rank);
    }
  }
  const std::size_t home = first_ + parts_.size() - 1;
  require(home < owners_.size() && owners_[first_] == owners_[home], ExitCode::internal, "tree sum",
          "{} parts do not match the rank's lanes", parts_.size());
  additions_ = tree_additions(std::array{LaneRange{0, lanes}}, nodes, static_cast<int>(home));

  const std::size_t room =
      align_up((longest / static_cast<std::size_t>(ranks) + grain) * sizeof(float));
  received_ = Arena((nodes.size() - parts_.size()) * room, "gradients of other ranks");
  slice_.resize(nodes.size());
  std::size_t used = 0;
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    if (owners_[node] == communicator.rank()) continue;
    slice_[node] = reinterpret_cast<float*>(received_.data() + room * used++);
  }
  const std::size_t others = static_cast<std::size_t>(ranks) - 1;
  out_.reserve(std::max(parts_.size(), std::size_t{1}) * others);
  in_.reserve(std::max(nodes.size() - parts_.size(), others));
}

void TreeSum::sum(std::size_t begin, std::size_t end) {
  const Slice mine = slice_of(communicator_.rank(), begin, end);
  exchange_nodes(begin, end, mine);
  for (std::size_t i = 0; i < parts_.size(); ++i) slice_[first_ + i] = parts_[i] + mine.begin;
  add_parts(additions_, slice_, 0, mine.count());
  exchange_totals(begin, end, mine);
}

TreeSum::Slice TreeSum::slice_of(int rank, std::size_t begin, std::size_t end) const {
  const auto ranks = static_cast<std::size_t>(communicator_.size());
  const auto cut = [&](std::size_t i) {
    return i == ranks ? end : begin + (end - begin) * i / ranks / grain * grain;
  };
  const auto r = static_cast<std::size_t>(rank);
  return {cut(r), cut(r + 1)};
}

void TreeSum::exchange_nodes(std::size_t begin, std::size_t end, Slice mine) {
  out_.clear();
  in_.clear();
  const int ranks = communicator_.size();
  for (int distance = 1; distance < ranks; ++distance) {
    const int to = (communicator_.rank() + distance) % ranks;
    const Slice theirs = slice_of(to, begin, end);
    if (theirs.count() == 0) continue;
    for (const float* part : parts_) {
      out_.push_back({to, std::as_bytes(std::span(part + theirs.begin, theirs.count()))});
    }
  }
  for (std::size_t node = 0; node < owners_.size() && mine.count() > 0; ++node) {
    if (owners_[node] == communicator_.rank()) continue;
    in_.push_back({owners_[node], std::as_writable_bytes(std::span(slice_[node], mine.count()))});
  }
  communicator_.exchange(out_, in_);
}

void TreeSum::exchange_totals(std::size_t begin, std::size_t end, Slice mine) {
  out_.clear();
  in_.clear();
  const int ranks = communicator_.size();
  float* total = parts_.back();
  for (int distance = 1; distance < ranks; ++distance) {
    const int other = (communicator_.rank() + distance) % ranks;
    if (mine.count() > 0) {
      out_.push_back({other, std::as_bytes(std::span(total + mine.begin, mine.count()))});
    }
    const Slice theirs = slice_of(other, begin, end);
    if (theirs.count() > 0) {
      in_.push_back(
          {other, std::as_writable_bytes(std::span(total + theirs.begin, theirs.count()))});
    }
  }
  communicator_.exchange(out_, in_);
}

}  // namespace convoy
