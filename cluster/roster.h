// Roster: who the ranks of a job are, where they run and what each was last known to do. It words
// the error of a wait that nobody answered.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace convoy {

// What one rank says about itself. Free of locks and addresses, so it may lie in memory that
// processes share; zeroed memory is a valid cell. A reader that comes in the middle of a writer may
// see parts of two texts.
class ActivityCell {
 public:
  static constexpr std::size_t text_bytes = 48;

  void publish(const char* activity, long step) noexcept;
  void begin_wait() noexcept { waits_.fetch_add(1, std::memory_order_relaxed); }
  void end_wait() noexcept { waits_.fetch_sub(1, std::memory_order_relaxed); }
  // A thread of this rank waits for another rank.
  bool waiting() const noexcept { return waits_.load(std::memory_order_relaxed) > 0; }
  // "'backward' of step 12"; empty if nothing was published.
  std::string text() const;
  double seconds() const;  // since then

 private:
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
  std::array<std::atomic<std::uint64_t>, text_bytes / 8> text_{};
  std::atomic<std::int64_t> step_{0};
  std::atomic<std::int64_t> since_{0};  // nanoseconds of steady_clock, common to a host
  std::atomic<std::int32_t> waits_{0};
};

class Roster {
 public:
  struct Member {
    std::string host;
    ActivityCell* cell = nullptr;  // null: on a host whose memory cannot be seen from here
  };

  explicit Roster(std::vector<Member> members) : members_(std::move(members)) {}

  const std::string& host(int rank) const { return at(rank).host; }
  ActivityCell* cell(int rank) const { return at(rank).cell; }
  // "rank 2 on node7".
  std::string name(int rank) const;
  // "rank 2 on node7 ('backward' of step 12 for 3.2 s)".
  std::string describe(int rank) const;
  // Throws Error(ranks): `self` waited `waited` for `missing`. Where none of these is known to be
  // at something else than waiting too, names the ranks that are: they hold the others up.
  [[noreturn]] void fail_waiting(int self, std::span<const int> missing,
                                 std::chrono::nanoseconds waited) const;

 private:
  const Member& at(int rank) const { return members_[static_cast<std::size_t>(rank)]; }

  std::vector<Member> members_;  // by rank of the job
};

// Marks a rank as waiting while it lives.
class WaitMark {
 public:
  explicit WaitMark(ActivityCell* cell) noexcept : cell_(cell) {
    if (cell_ != nullptr) cell_->begin_wait();
  }
  ~WaitMark() {
    if (cell_ != nullptr) cell_->end_wait();
  }
  WaitMark(const WaitMark&) = delete;

 private:
  ActivityCell* cell_;
};

// This machine's name.
std::string this_host();

}  // namespace convoy
