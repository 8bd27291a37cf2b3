// The mpi member: ranks are processes. Only files of this folder include mpi.h.
#pragma once

#include <mpi.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "cluster/communicator.h"
#include "cluster/roster.h"
#include "ops/core/handle.h"

namespace convoy {

// What all MPI communicators of this process share.
class MpiJob {
 public:
  // Where MPI does not promise MPI_THREAD_MULTIPLE, its calls take turns: hold this during each.
  std::unique_lock<std::mutex> turn() {
    return serialized ? std::unique_lock(mutex_) : std::unique_lock<std::mutex>();
  }
  // Throws Error(ranks) with MPI's own words unless `status` is MPI_SUCCESS.
  void check(int status, std::string_view call);

  bool serialized = false;
  // A call failed or a wait ended early. MPI may still use the memory of messages under way, so
  // all that is left to do is to end the process.
  std::atomic<bool> broken{false};
  std::unique_ptr<Roster> roster;
  int rank = 0;  // in the job

 private:
  std::mutex mutex_;
};

struct MpiCommPolicy {
  using type = MPI_Comm;
  static type null() noexcept { return MPI_COMM_NULL; }
  static void close(type comm) noexcept;
};
using MpiComm = Handle<MpiCommPolicy>;

class MpiCommunicator final : public Communicator {
 public:
  // `members`: ranks in the job, by rank in `comm`.
  MpiCommunicator(std::shared_ptr<MpiJob> job, MpiComm comm, std::vector<int> members);
  ~MpiCommunicator() override;

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(members_.size()); }
  int local_rank() const override { return local_rank_; }
  int local_size() const override { return local_size_; }
  const std::string& host() const override { return job_->roster->host(job_->rank); }

  void exchange(std::span<const Outgoing> out, std::span<const Incoming> in) override;
  std::unique_ptr<Communicator> duplicate() override;
  std::unique_ptr<Communicator> split(int color, int key) override;
  void abort(int exit_code) noexcept override;
  void interrupt() noexcept override { interrupted_.store(true); }
  void set_activity(const char* activity, long step) noexcept override;

 private:
  // A part of a message under way; counts of MPI are ints.
  struct Part {
    int peer;
    int bytes;
    bool incoming;
  };

  void start(std::span<const Outgoing> out, std::span<const Incoming> in);
  void finish();
  void check_part(int index, const MPI_Status& status, bool failures);
  [[noreturn]] void fail_late(std::chrono::nanoseconds waited);
  [[noreturn]] void give_up(std::string_view why);

  const std::shared_ptr<MpiJob> job_;
  MpiComm comm_;
  const std::vector<int> members_;
  int rank_ = 0;
  int local_rank_ = 0;
  int local_size_ = 1;
  std::atomic<bool> interrupted_{false};
  // Of the exchange under way; they grow, then stay.
  std::vector<Part> parts_;
  std::vector<MPI_Request> requests_;
  std::vector<int> completed_;
  std::vector<MPI_Status> statuses_;
};

}  // namespace convoy
