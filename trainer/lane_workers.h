// LaneWorkers: forward and backward of a rank's lanes. Each worker thread has an executor of its
// own and runs its lanes one after the other; what it computes for a lane does not depend on which
// thread or rank does it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "cluster/lane_meeting.h"
#include "cluster/reducer.h"
#include "data/loader.h"
#include "ops/core/trace.h"
#include "ops/executor.h"
#include "trainer/sample_stream.h"
#include "trainer/worker_pool.h"

namespace convoy {

class LaneWorkers {
 public:
  struct Parts {
    WorkerPool& pool;
    const Plan& plan;
    const Parameters& parameters;
    const PreparedWeights& prepared;
    BatchSource& source;
    const LaneSlots& slots;
    Reducer& reducer;
    int global_batch;    // samples of a step, over all ranks
    std::uint64_t seed;  // of what kernels draw at random
    // Where lanes add values up in the middle of a pass; then each has a worker of its own. Null:
    // they never do.
    LaneMeeting* meeting = nullptr;
  };
  // All parts must outlive this.
  explicit LaneWorkers(const Parts& parts);

  // All lanes of this rank at `step`: once it returns, the reducer's wait() will end. `stop` is
  // what this rank says in LaneScalars::stop.
  void run(std::uint64_t step, bool stop);
  // From the next run on, adds to these tracks, by worker, which must outlive the runs; none: to
  // none.
  void trace(std::span<Track> tracks);
  // Of one worker, to time its steps.
  Executor& executor(int worker) { return workers_[worker]->executor; }

 private:
  struct Worker {
    Worker(const Parts& parts, int number);
    Executor executor;
    LaneRange lanes;
    int lane = 0;  // the one at work
    Track* track = nullptr;
    // Made once: tells the reducer; adds up over lanes, empty where they never do.
    std::function<void(std::size_t end)> on_ready;
    std::function<void(std::span<double>)> sum_over_lanes;
  };
  void run_lane(Worker& worker, int number, std::uint64_t step, bool stop);
  void forward(Worker& worker, std::uint64_t step, const Batch& batch, float* gradients);

  Parts parts_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace convoy
