// Tracing: takes a trace of some steps of a run, on all ranks, and writes it to the run folder as
// trace.json. On worker threads, the waits for images, the lanes and the layers in forward and
// backward; on the first one also the wait for sums and the update; on the communication thread the
// sums of buckets; on loader threads the making of images, ahead of the steps that want them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "cluster/communicator.h"
#include "cluster/reducer.h"
#include "data/loader.h"
#include "ops/core/trace.h"
#include "trainer/config.h"
#include "trainer/lane_workers.h"

namespace convoy {

class Tracing {
 public:
  struct Parts {
    TraceConfig config;
    Communicator& communicator;
    LaneWorkers& lanes;
    Reducer& reducer;
    Loader& loader;
    int workers = 1;
    std::filesystem::path folder;  // of the run
  };
  // The references must outlive this.
  explicit Tracing(Parts parts) : parts_(std::move(parts)) {}

  // Before each step: begins or ends what is due. Collective where it is.
  void before(std::uint64_t step);
  // After the last step: ends what has begun. Collective.
  void finish();

  // Of the thread that trains; null while no trace is taken.
  Track* main() { return tracks_.empty() ? nullptr : &tracks_.front(); }

 private:
  void begin();
  void end();

  Parts parts_;
  std::vector<Track> tracks_;  // by worker, by loader thread, then the communication thread's
  Track::Clock::time_point start_;
};

}  // namespace convoy
