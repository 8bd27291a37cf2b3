#include "trainer/sample_stream.h"

namespace convoy {

LaneSlots::LaneSlots(const std::vector<LaneRange>& worker_lanes)
    : first_lane_(worker_lanes.front().begin),
      place_of_(worker_lanes.back().end - worker_lanes.front().begin) {
  for (int turn = 0; lane_of_.size() < place_of_.size(); ++turn) {
    for (const LaneRange& lanes : worker_lanes) {
      if (turn >= lanes.count()) continue;
      place_of_[lanes.begin + turn - first_lane_] = static_cast<int>(lane_of_.size());
      lane_of_.push_back(lanes.begin + turn);
    }
  }
}

}  // namespace convoy
