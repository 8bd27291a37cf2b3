#include "cluster/lane_meeting.h"

#include <algorithm>

#include "ops/core/check.h"

namespace convoy {
namespace {

std::size_t most_lanes(int ranks, int lanes) {
  return (static_cast<std::size_t>(lanes) + ranks - 1) / ranks;
}

}  // namespace

LaneMeeting::LaneMeeting(Communicator& communicator, int lanes, std::size_t longest)
    : communicator_(communicator),
      lanes_(lanes),
      mine_(lanes_of(communicator.rank(), communicator.size(), lanes)),
      longest_(longest),
      most_(most_lanes(communicator.size(), lanes)),
      brought_(most_ * longest),
      all_(most_ * longest * communicator.size()),
      totals_(longest) {}

void LaneMeeting::sum(int lane, std::span<double> values) {
  require(values.size() <= longest_, ExitCode::internal, "lane meeting",
          "lane {} brings {} values, at most {} expected", lane, values.size(), longest_);
  std::unique_lock lock(mutex_);
  std::ranges::copy(values, brought_.begin() + (lane - mine_.begin) * values.size());
  if (++arrived_ == mine_.count()) {
    arrived_ = 0;
    if (!interrupted_) {
      try {
        add_up(values.size());
      } catch (...) {
        interrupted_ = std::current_exception();
        met_.notify_all();
        throw;
      }
    }
    ++meetings_;
    met_.notify_all();
  } else {
    met_.wait(lock, [&, meeting = meetings_] { return meetings_ != meeting || interrupted_; });
  }
  if (interrupted_) std::rethrow_exception(interrupted_);
  std::copy_n(totals_.begin(), values.size(), values.begin());
}

void LaneMeeting::interrupt(std::exception_ptr cause) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!interrupted_) interrupted_ = std::move(cause);
  }
  met_.notify_all();
  communicator_.interrupt();
}

// The lanes of each rank lie together, `count` values each; blocks of ranks are equally long.
void LaneMeeting::add_up(std::size_t count) {
  const std::size_t block = most_ * count;
  const std::span all(all_.data(), block * communicator_.size());
  communicator_.all_gather(std::as_bytes(std::span(brought_.data(), block)),
                           std::as_writable_bytes(all));
  std::fill_n(totals_.begin(), count, 0.0);
  for (int rank = 0; rank < communicator_.size(); ++rank) {
    const int lanes = lanes_of(rank, communicator_.size(), lanes_).count();
    const double* values = all.data() + rank * block;
    for (int lane = 0; lane < lanes; ++lane, values += count) {
      for (std::size_t i = 0; i < count; ++i) totals_[i] += values[i];
    }
  }
}

}  // namespace convoy
