// Reducer: sums the gradients of all lanes of all ranks along the fixed tree (lanes.h), bucket by
// bucket, while backward still runs.
//
// Each worker thread of a rank serves a contiguous run of the rank's lanes, one after the other,
// and writes each lane's gradients into a buffer that the reducer gives it. When every gradient of
// a bucket is final in the rank's last lane, the bucket's partial sums go to a communication thread
// (none with a single rank), which exchanges them with the other ranks on a communicator of its
// own. Buffers are made once; a step allocates nothing.
//
// Between ranks a bucket is cut into as many slices as ranks; each rank receives, for its slice,
// the partial sums (whole tree nodes) of all ranks, adds them in tree order, and sends the slice of
// the total back: the traffic of a reduce-scatter and an all-gather, for any number of ranks, with
// one result in bits.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "cluster/communicator.h"
#include "cluster/lanes.h"
#include "ops/core/trace.h"

namespace convoy {

// Floats [begin, end) of the gradient arena.
struct Bucket {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool operator==(const Bucket&) const = default;
};

struct BucketLimits {
  std::size_t bytes = 4u << 20;         // of an ordinary bucket; larger gradients are cut
  std::size_t last_bytes = 512u << 10;  // of the last one, which nothing can hide
};

// Cuts [0, ready.back()) at offsets in ready order. `ready` are ascending ends as backward reports
// them. Pure.
std::vector<Bucket> cut_buckets(std::span<const std::size_t> ready, BucketLimits limits = {});

// Seconds of the last step, of this rank.
struct ReduceTimes {
  double exposed = 0;  // wait() blocked with nothing left to compute
  double busy = 0;     // the communication thread exchanged or added
};

class Reducer {
 public:
  // Collective: duplicates `communicator`, which must outlive the reducer. `workers` <= lanes of
  // this rank.
  Reducer(Communicator& communicator, int lanes, int workers, std::size_t floats,
          std::vector<Bucket> buckets);
  ~Reducer();

  LaneRange rank_lanes() const;
  LaneRange worker_lanes(int worker) const;

  // Worker threads, in the order of their lanes. The buffer is the worker's until the lane's last
  // ready().
  std::span<float> lane_buffer(int worker, int lane);
  // Everything of that lane below `end` is final. Called with ascending ends; the last is `floats`.
  void ready(int worker, int lane, std::size_t end);

  // One thread, after all workers' last ready(): the sum over all lanes. Valid until the next
  // lane_buffer(). Rethrows what the communication thread met.
  std::span<const float> wait();
  ReduceTimes times() const;

  // Between steps: from the next one on, adds the sums of buckets to `track`, which must outlive
  // the steps; null: to none.
  void trace(Track* track);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace convoy
