#include "cluster/mpi/communicator.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "ops/core/check.h"

namespace convoy {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr int tag = 1;

// Bytes of one MPI message. A message of ours goes in parts: counts of MPI are ints; and where MPI
// cannot copy between processes in one piece, it moves a few fragments of each of its messages per
// call, so that parts keep more of them moving. Sender and receiver know the same total.
std::size_t part_bytes(std::size_t total) {
  constexpr std::size_t parts = 256;
  return std::clamp((total + parts - 1) / parts, std::size_t{256} << 10, std::size_t{1} << 30);
}

// Pauses between two looks at MPI, which moves messages only while it is called. Short waits end at
// once; long ones leave the core to the threads that compute, and last an eighth longer at most.
class Backoff {
 public:
  void progress() { idle_ = Clock::duration::zero(); }
  // Returns the time waited in all. A process that is stopped for a while does not wait meanwhile.
  Clock::duration pause() {
    if (idle_ < microseconds(100)) {
      ::sched_yield();
    } else {
      std::this_thread::sleep_for(std::min<Clock::duration>(idle_ / 8, microseconds(500)));
    }
    const Clock::time_point now = Clock::now();
    const auto passed =
        std::min<Clock::duration>(now - std::exchange(last_, now), std::chrono::seconds(1));
    idle_ += passed;
    return waited_ += passed;
  }

 private:
  Clock::time_point last_ = Clock::now();
  Clock::duration waited_{};
  Clock::duration idle_{};  // since the last progress
};

}  // namespace

void MpiJob::check(int status, std::string_view call) {
  if (status == MPI_SUCCESS) return;
  broken.store(true);
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(status, text.data(), &length);
  fail(ExitCode::ranks, roster != nullptr ? roster->name(rank) : "mpi", "{} failed: {}", call,
       text.data());
}

void MpiCommPolicy::close(MPI_Comm comm) noexcept {
  int finalized = 0;
  if (MPI_Finalized(&finalized) == MPI_SUCCESS && finalized == 0) MPI_Comm_free(&comm);
}

MpiCommunicator::MpiCommunicator(std::shared_ptr<MpiJob> job, MpiComm comm,
                                 std::vector<int> members)
    : job_(std::move(job)), comm_(std::move(comm)), members_(std::move(members)) {
  const auto turn = job_->turn();
  job_->check(MPI_Comm_set_errhandler(comm_.get(), MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  job_->check(MPI_Comm_rank(comm_.get(), &rank_), "MPI_Comm_rank");
  MpiComm::type host = MPI_COMM_NULL;
  job_->check(MPI_Comm_split_type(comm_.get(), MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host),
              "MPI_Comm_split_type");
  const MpiComm owned(host);
  job_->check(MPI_Comm_rank(host, &local_rank_), "MPI_Comm_rank");
  job_->check(MPI_Comm_size(host, &local_size_), "MPI_Comm_size");
}

MpiCommunicator::~MpiCommunicator() {
  if (job_->broken.load()) {
    comm_.release();  // others may be gone, and freeing is collective
    return;
  }
  const auto turn = job_->turn();
  comm_.reset();
}

void MpiCommunicator::exchange(std::span<const Outgoing> out, std::span<const Incoming> in) {
  if (out.empty() && in.empty()) return;
  if (job_->broken.load()) give_up("an earlier exchange between ranks failed");
  start(out, in);
  finish();
}

void MpiCommunicator::start(std::span<const Outgoing> out, std::span<const Incoming> in) {
  parts_.clear();
  requests_.clear();
  const auto turn = job_->turn();
  const auto each_part = [&](int peer, std::size_t bytes, bool incoming, auto&& begin) {
    const std::size_t most = part_bytes(bytes);
    std::size_t done = 0;
    do {
      const auto count = static_cast<int>(std::min(bytes - done, most));
      parts_.push_back({peer, count, incoming});
      requests_.push_back(MPI_REQUEST_NULL);
      begin(done, count, &requests_.back());
      done += static_cast<std::size_t>(count);
    } while (done < bytes);
  };
  for (const Incoming& message : in) {
    each_part(message.from, message.bytes.size(), true, [&](std::size_t at, int count, auto* r) {
      job_->check(
          MPI_Irecv(message.bytes.data() + at, count, MPI_BYTE, message.from, tag, comm_.get(), r),
          "MPI_Irecv");
    });
  }
  for (const Outgoing& message : out) {
    each_part(message.to, message.bytes.size(), false, [&](std::size_t at, int count, auto* r) {
      job_->check(
          MPI_Isend(message.bytes.data() + at, count, MPI_BYTE, message.to, tag, comm_.get(), r),
          "MPI_Isend");
    });
  }
  statuses_.resize(requests_.size());
  completed_.resize(requests_.size());
}

void MpiCommunicator::finish() {
  const WaitMark mark(job_->roster->cell(job_->rank));
  Backoff backoff;
  for (std::size_t left = requests_.size();;) {
    int count = 0;
    {
      const auto turn = job_->turn();
      const int status = MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &count,
                                      completed_.data(), statuses_.data());
      if (status != MPI_ERR_IN_STATUS) job_->check(status, "MPI_Testsome");
      for (int i = 0; i < count; ++i) {
        check_part(completed_[static_cast<std::size_t>(i)], statuses_[static_cast<std::size_t>(i)],
                   status != MPI_SUCCESS);
      }
    }
    left -= static_cast<std::size_t>(count);
    if (left == 0) return;
    if (interrupted_.load()) give_up("interrupted while waiting for other ranks");
    if (count > 0) backoff.progress();
    const Clock::duration waited = backoff.pause();
    if (waited > deadline()) fail_late(waited);
  }
}

void MpiCommunicator::check_part(int index, const MPI_Status& status, bool failures) {
  const Part& part = parts_[static_cast<std::size_t>(index)];
  const auto peer = [&] {
    return job_->roster->name(members_[static_cast<std::size_t>(part.peer)]);
  };
  if (failures && status.MPI_ERROR != MPI_SUCCESS) {
    job_->check(status.MPI_ERROR, fmt::format("message of {} bytes {} {}", part.bytes,
                                              part.incoming ? "from" : "to", peer()));
  }
  if (!part.incoming) return;
  int received = 0;
  job_->check(MPI_Get_count(&status, MPI_BYTE, &received), "MPI_Get_count");
  if (received != part.bytes) {
    give_up(fmt::format("{} sent {} bytes, expected {}", peer(), received, part.bytes));
  }
}

void MpiCommunicator::fail_late(std::chrono::nanoseconds waited) {
  job_->broken.store(true);
  std::vector<int> missing;
  const auto turn = job_->turn();
  for (const bool incoming : {true, false}) {  // who sent nothing is nearer to the cause
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      int done = 1;
      if (parts_[i].incoming == incoming && requests_[i] != MPI_REQUEST_NULL) {
        MPI_Request_get_status(requests_[i], &done, MPI_STATUS_IGNORE);
      }
      const int peer = members_[static_cast<std::size_t>(parts_[i].peer)];
      const bool named = std::find(missing.begin(), missing.end(), peer) != missing.end();
      if (done == 0 && !named) missing.push_back(peer);
    }
    if (!missing.empty()) break;
  }
  job_->roster->fail_waiting(job_->rank, missing, waited);
}

void MpiCommunicator::give_up(std::string_view why) {
  job_->broken.store(true);
  throw Error(ExitCode::ranks, job_->roster->name(job_->rank), why);
}

// The barrier has a deadline, which MPI's own calls have not; past it, all ranks make the call.
std::unique_ptr<Communicator> MpiCommunicator::duplicate() {
  barrier();
  MPI_Comm made = MPI_COMM_NULL;
  {
    const auto turn = job_->turn();
    job_->check(MPI_Comm_dup(comm_.get(), &made), "MPI_Comm_dup");
  }
  auto communicator = std::make_unique<MpiCommunicator>(job_, MpiComm(made), members_);
  communicator->set_deadline(deadline());
  return communicator;
}

std::unique_ptr<Communicator> MpiCommunicator::split(int color, int key) {
  std::vector<int> members = members_of_color(*this, color, key);
  for (int& member : members) member = members_[static_cast<std::size_t>(member)];
  MPI_Comm made = MPI_COMM_NULL;
  {
    const auto turn = job_->turn();
    job_->check(MPI_Comm_split(comm_.get(), color, key, &made), "MPI_Comm_split");
  }
  auto communicator = std::make_unique<MpiCommunicator>(job_, MpiComm(made), std::move(members));
  communicator->set_deadline(deadline());
  return communicator;
}

void MpiCommunicator::abort(int exit_code) noexcept {
  // MPI_Abort can wait for a launcher that is itself cut off: the alarm ends this process then.
  ::signal(SIGALRM, SIG_DFL);
  ::alarm(20);
  MPI_Abort(MPI_COMM_WORLD, exit_code);
}

void MpiCommunicator::set_activity(const char* activity, long step) noexcept {
  ActivityCell* cell = job_->roster->cell(job_->rank);
  if (cell != nullptr) cell->publish(activity, step);
}

}  // namespace convoy
