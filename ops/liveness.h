// Liveness: which blocks of memory are needed when, and where each lies in one arena.
#pragma once

#include <cstddef>
#include <vector>

namespace convoy {

// Moments from `first` to `last`, both included.
struct Span {
  int first = 0;
  int last = -1;

  bool meets(const Span& other) const {
    return first <= last && other.first <= other.last && first <= other.last && other.first <= last;
  }
};

// A block of memory and when it is in use.
struct Storage {
  std::size_t bytes = 0;
  Span use;
  Span second_use;         // what lies there in between may be overwritten; none by default
  std::size_t offset = 0;  // set by place_storages

  bool meets(const Storage& other) const {
    return use.meets(other.use) || use.meets(other.second_use) || second_use.meets(other.use) ||
           second_use.meets(other.second_use);
  }
};

// Gives every block an offset so that blocks in use at the same time never overlap: the largest
// first, each at the lowest place that is free. Returns the arena's size.
std::size_t place_storages(std::vector<Storage>& storages);

}  // namespace convoy
