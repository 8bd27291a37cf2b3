// Lanes and the fixed tree: which lanes a rank (and a worker thread of it) serves, and in which
// order their gradients are added.
//
// A lane is a logical worker. The V lanes are the leaves of one binary tree; node [begin, end) is
// split at begin + the largest power of two below its size. The sum over all lanes is the value of
// the root, where every node is left + right in float32, whoever holds them. So the bits do not
// depend on ranks or threads.
#pragma once

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

}  // namespace convoy
