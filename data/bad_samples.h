// Bad samples: what becomes of those that cannot be read, decoded or transformed. Each time one is
// met, it is logged with its shard, number and original name.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>

#include "data/dataset.h"
#include "ops/core/check.h"

namespace convoy {

enum class BadSamples {
  fail,        // ends the run
  substitute,  // another sample takes the row, the same one on any number of ranks
  skip,        // the row is empty, and the loss is the mean over the others
};

struct BadSampleOptions {
  BadSamples policy = BadSamples::fail;
  int most = 100;          // different ones that a rank bears; the next one ends the run
  std::uint64_t seed = 0;  // of the choice of substitutes
};

class BadSampleWatch {
 public:
  BadSampleWatch(const Dataset& dataset, const BadSampleOptions& options)
      : dataset_(dataset), options_(options) {}

  BadSamples policy() const { return options_.policy; }
  // Sample `index` failed with `problem`, thrown on if the run cannot bear it. From any thread.
  void note(std::uint64_t index, std::uint32_t epoch, const Error& problem);
  // What takes the place of sample `index` after `attempts` others proved bad too.
  std::uint64_t substitute(std::uint64_t index, std::uint32_t epoch, int attempts) const;

 private:
  const Dataset& dataset_;
  const BadSampleOptions options_;
  std::mutex mutex_;
  std::set<std::uint64_t> met_;
};

}  // namespace convoy
