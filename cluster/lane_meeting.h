// LaneMeeting: where all lanes of all ranks add values up in the middle of a pass, as synchronised
// batch-norm does. Each lane comes on a thread of its own.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <vector>

#include "cluster/communicator.h"
#include "cluster/lanes.h"

namespace convoy {

class LaneMeeting {
 public:
  // `communicator`: for meetings alone; must outlive this. `lanes`: of the job. `longest`: values
  // of one meeting.
  LaneMeeting(Communicator& communicator, int lanes, std::size_t longest);

  // Returns once every lane of the job has called it as often, with as many values: then `values`
  // holds their sums over the lanes, added in the order of the lanes, so that the bits do not
  // depend on ranks. After interrupt(), throws what was given to it.
  void sum(int lane, std::span<double> values);
  // From any thread: meetings, now and later, end with `cause`: why a lane cannot come. The first
  // cause counts.
  void interrupt(std::exception_ptr cause) noexcept;

 private:
  void add_up(std::size_t count);

  Communicator& communicator_;
  const int lanes_;
  const LaneRange mine_;
  const std::size_t longest_;
  const std::size_t most_;  // lanes of one rank

  std::mutex mutex_;
  std::condition_variable met_;
  std::vector<double> brought_;  // by lane of this rank
  std::vector<double> all_;      // by rank and lane of it
  std::vector<double> totals_;
  int arrived_ = 0;
  std::uint64_t meetings_ = 0;
  std::exception_ptr interrupted_;  // null: not
};

}  // namespace convoy
