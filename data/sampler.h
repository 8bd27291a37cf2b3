// Sampler: (seed, epoch, position) -> sample index, a pure function, so that any rank can ask for
// any position of any epoch at once and resuming costs nothing.
//
//   full        a permutation of all samples, another one each epoch
//   sequential  0, 1, 2, ...
//   blocked     for storage that is slow at random reads. The samples are cut into blocks, runs of
//               about block_bytes; each epoch permutes the blocks and deals the result out to the
//               lanes of the batch, one stretch to each. A lane goes through its stretch window by
//               window and permutes the samples of a window. So a rank reads whole blocks, those of
//               its own lanes alone, and an epoch still shows each sample once.
//   balanced    drawn with replacement: a class by its weight, then one of its samples
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace convoy {

enum class Order { full, sequential, blocked, balanced };

struct SamplerOptions {
  Order order = Order::full;
  std::uint64_t seed = 0;
  // The positions that each lane of the batch takes: row r of lane l of step s is position
  // s * global_batch + l * (global_batch / lanes) + r of all epochs, one after the other.
  std::uint64_t global_batch = 1;
  std::uint64_t lanes = 1;
  std::uint64_t prefetch_steps = 2;      // how far upcoming() looks ahead; blocked: and a window
  std::uint64_t block_bytes = 8u << 20;  // blocked: of an average block
  std::uint64_t window_blocks = 16;      // blocked: mixed by each lane at once
  std::vector<double> class_weights{};   // balanced: chance of each class; empty: all alike
};

class Sampler {
 public:
  // Error(config) for weights that do not fit the classes.
  Sampler(const Dataset& dataset, const SamplerOptions& options);
  // `full` or `sequential`, of anything.
  Sampler(std::uint64_t samples, std::uint64_t seed, Order order);

  std::uint64_t samples() const { return samples_; }  // in the data set, and positions in an epoch
  // position in [0, samples).
  std::uint64_t index(std::uint32_t epoch, std::uint64_t position) const;

  // When a lane comes to its row 0 at this position, it is time to read what it will want later:
  // calls visit(begin, end) for runs of neighbouring samples.
  using Visit = std::function<void(std::uint64_t begin, std::uint64_t end)>;
  void upcoming(std::uint32_t epoch, std::uint64_t position, const Visit& visit) const;

  // What a batch is mixed from, on one line.
  std::string describe() const;

 private:
  // Samples by class.
  struct Classes {
    std::vector<double> ends;            // cumulative weights
    std::vector<std::uint64_t> first;    // [classes + 1], into members
    std::vector<std::uint64_t> members;  // sample indices
  };
  // Of `blocked`: where a lane stands, as places of the epoch's sequence of blocks.
  struct Stretch {
    std::uint64_t begin, end;  // the lane's
    std::uint64_t at;          // its next, in [begin, end)
    std::uint64_t lane;
  };

  static std::shared_ptr<const Classes> sort_classes(const Dataset& dataset,
                                                     const std::vector<double>& weights);
  std::uint64_t rows() const { return options_.global_batch / options_.lanes; }
  std::uint64_t drawn(std::uint32_t epoch, std::uint64_t position) const;
  Stretch stretch(std::uint32_t epoch, std::uint64_t position) const;
  std::uint64_t mixed(std::uint32_t epoch, const Stretch& stretch) const;
  std::uint64_t in_block(std::uint32_t epoch, std::uint64_t place) const;

  std::uint64_t samples_;
  SamplerOptions options_;
  std::uint64_t total_bytes_ = 0;
  std::uint64_t block_ = 1;                 // samples of a block; the last may be short
  std::uint64_t blocks_ = 1;                //
  std::shared_ptr<const Classes> classes_;  // of `balanced`
};

}  // namespace convoy
