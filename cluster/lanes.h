// Lanes and the fixed tree: which lanes a rank (and a worker thread of it) serves, and in which
// order their gradients are added.
//
// A lane is a logical worker. The V lanes are the leaves of one binary tree; node [begin, end) is
// split at begin + the largest power of two below its size. The sum over all lanes is the value of
// the root, where every node is left + right in float32, whoever holds them. So the bits do not
// depend on ranks or threads.
#pragma once

#include <span>
#include <vector>

namespace convoy {

// Lanes [begin, end).
struct LaneRange {
  int begin = 0;
  int end = 0;
  int count() const { return end - begin; }
  bool operator==(const LaneRange&) const = default;
};

// Contiguous, as even as possible: part p of n serves [p * lanes / n, (p + 1) * lanes / n).
LaneRange lanes_of(int part, int parts, int lanes);
LaneRange lanes_of(int part, int parts, LaneRange range);

// Where the tree splits [begin, end), end - begin >= 2.
int tree_split(LaneRange node);

// The maximal tree nodes of [0, lanes) that lie wholly inside `range`, left to right.
std::vector<LaneRange> covering_nodes(LaneRange range, int lanes);

// parts[into] += parts[from]: two neighbours become their parent.
struct Addition {
  int into;
  int from;
  bool operator==(const Addition&) const = default;
};

// The additions, in order, that turn `parts` (tree nodes, left to right) into `goals` (nodes made
// up of them). A sum lands in its rightmost part, which was written last and is still in cache; but
// a sum that holds part `home` lands there. Sums commute, so the place does not change a bit.
std::vector<Addition> tree_additions(std::span<const LaneRange> goals,
                                     std::span<const LaneRange> parts, int home = -1);

}  // namespace convoy
