// SampleStream: which sample fills which row of which lane at which step; and in which order a rank
// asks its loader for the micro-batches of its lanes.
//
// Row r of lane l of step s is position p = s * global_batch + l * rows + r of one endless stream,
// whose epoch p / N shows each of the N samples once, in that epoch's order. So what a step trains
// on depends neither on ranks nor on threads. Where samples are mixed, each one's partner is the
// one before it, the first one's the last of the global batch.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "cluster/lanes.h"
#include "data/loader.h"
#include "data/sampler.h"

namespace convoy {

class SampleStream {
 public:
  // `lanes` divides `global_batch`.
  SampleStream(Sampler sampler, int global_batch, int lanes)
      : sampler_(std::move(sampler)), global_batch_(global_batch), rows_(global_batch / lanes) {}

  int rows() const { return rows_; }
  // Row -1 is the partner of row 0.
  RowKey at(std::uint64_t step, int lane, int row) const {
    const auto [epoch, position] = place(step, lane, row);
    return {sampler_.index(epoch, position), epoch};
  }
  // What the lane will want some steps later: see Sampler::upcoming().
  void upcoming(std::uint64_t step, int lane, const Sampler::Visit& visit) const {
    const auto [epoch, position] = place(step, lane, 0);
    sampler_.upcoming(epoch, position, visit);
  }

 private:
  std::pair<std::uint32_t, std::uint64_t> place(std::uint64_t step, int lane, int row) const {
    const std::uint64_t at = global_batch_ + std::uint64_t(lane) * rows_ + row;
    const std::uint64_t position = step * global_batch_ + at % global_batch_;
    return {static_cast<std::uint32_t>(position / sampler_.samples()),
            position % sampler_.samples()};
  }

  Sampler sampler_;
  std::uint64_t global_batch_;
  int rows_;
};

// Loader slots of one rank: one per lane and step. Within a step the first lanes of all workers
// come first, then their second ones, so that no worker waits for the lanes of another.
class LaneSlots {
 public:
  explicit LaneSlots(const std::vector<LaneRange>& worker_lanes);

  int per_step() const { return static_cast<int>(lane_of_.size()); }
  std::uint64_t slot(std::uint64_t step, int lane) const {
    return step * lane_of_.size() + place_of_[lane - first_lane_];
  }
  std::uint64_t step(std::uint64_t slot) const { return slot / lane_of_.size(); }
  int lane(std::uint64_t slot) const { return lane_of_[slot % lane_of_.size()]; }

 private:
  int first_lane_;
  std::vector<int> lane_of_;   // by place within a step
  std::vector<int> place_of_;  // by lane - first_lane_
};

}  // namespace convoy
