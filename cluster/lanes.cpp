#include "cluster/lanes.h"

#include <bit>

namespace convoy {
namespace {

bool inside(LaneRange node, LaneRange range) {
  return range.begin <= node.begin && node.end <= range.end;
}

void cover(LaneRange node, LaneRange range, std::vector<LaneRange>& nodes) {
  if (node.end <= range.begin || range.end <= node.begin) return;
  if (inside(node, range)) {
    nodes.push_back(node);
    return;
  }
  const int middle = tree_split(node);
  cover({node.begin, middle}, range, nodes);
  cover({middle, node.end}, range, nodes);
}

// The index in `parts` of the part that comes to hold `node`.
int add_below(LaneRange node, std::span<const LaneRange> parts, int home,
              std::vector<Addition>& additions) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == node) return static_cast<int>(i);
  }
  const int middle = tree_split(node);
  const int left = add_below({node.begin, middle}, parts, home, additions);
  const int right = add_below({middle, node.end}, parts, home, additions);
  const bool into_left = left == home;
  additions.push_back({into_left ? left : right, into_left ? right : left});
  return additions.back().into;
}

}  // namespace

LaneRange lanes_of(int part, int parts, int lanes) {
  return lanes_of(part, parts, LaneRange{0, lanes});
}

LaneRange lanes_of(int part, int parts, LaneRange range) {
  const long count = range.count();
  return {range.begin + static_cast<int>(part * count / parts),
          range.begin + static_cast<int>((part + 1) * count / parts)};
}

int tree_split(LaneRange node) {
  return node.begin + static_cast<int>(std::bit_floor(static_cast<unsigned>(node.count() - 1)));
}

std::vector<LaneRange> covering_nodes(LaneRange range, int lanes) {
  std::vector<LaneRange> nodes;
  cover({0, lanes}, range, nodes);
  return nodes;
}

std::vector<Addition> tree_additions(std::span<const LaneRange> goals,
                                     std::span<const LaneRange> parts, int home) {
  std::vector<Addition> additions;
  for (const LaneRange goal : goals) add_below(goal, parts, home, additions);
  return additions;
}

}  // namespace convoy
