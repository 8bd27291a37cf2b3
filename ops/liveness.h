// Liveness: which blocks of memory are needed when, and where each lies in one arena.
#pragma once

#include <cstddef>
#include <vector>

namespace convoy {

// A block that is in use from time `first` to time `last`, both included.
struct Storage {
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
  std::size_t offset = 0;  // set by place_storages
};

// Gives every block an offset so that blocks in use at the same time never overlap: the largest
// first, each at the lowest place that is free. Returns the arena's size.
std::size_t place_storages(std::vector<Storage>& storages);

}  // namespace convoy
