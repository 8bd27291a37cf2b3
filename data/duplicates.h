// Duplicates: images that a data set holds more than once, as the same bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "data/shard_reader.h"

namespace convoy {

struct Duplicates {
  std::uint64_t within = 0;           // copies of an image of the same split
  std::uint64_t across = 0;           // copies of an image of another split
  std::uint64_t relabelled = 0;       // of both: those with another label than the first
  std::vector<std::string> examples;  // a few of each kind, one line each

  // "3 images are copies ...", or "none".
  std::string text() const;
};

// Compares the bytes of images that have the same length and checksum. What cannot be read is left
// out.
Duplicates find_duplicates(const std::deque<ShardReader>& shards);

}  // namespace convoy
