// Communicator: a group of ranks. Members: mpi (processes), local (one rank, or N threads of one
// process, so that everything distributed runs under plain tests).
//
// Every call is collective over the group unless it says otherwise, and blocks. Every wait has a
// deadline: past it the call throws Error(ranks) naming the ranks that are missing and what they
// were last known to do.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {

// One message of an exchange. Between a pair of ranks, messages arrive in the order of their spans.
struct Outgoing {
  int to;
  std::span<const std::byte> bytes;
};
struct Incoming {
  int from;
  std::span<std::byte> bytes;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual int local_rank() const = 0;  // among the ranks of this host
  virtual int local_size() const = 0;
  virtual const std::string& host() const = 0;

  // Point to point, not collective: starts all, returns when all are done. The one primitive; the
  // collectives below are built on it, once, for all members. A message to oneself is allowed.
  virtual void exchange(std::span<const Outgoing> out, std::span<const Incoming> in) = 0;

  // A group of the same ranks whose messages cannot be mixed up with this one's: for another
  // thread.
  virtual std::unique_ptr<Communicator> duplicate() = 0;
  // Ranks of equal color, ordered by key, then by rank.
  virtual std::unique_ptr<Communicator> split(int color, int key) = 0;

  // Tells all other ranks, as well as it can, to end at once. Not collective; does not return
  // control to them.
  virtual void abort(int exit_code) noexcept = 0;

  // From any thread: the waits of this rank on this communicator, now and later, end with
  // Error(ranks).
  virtual void interrupt() noexcept = 0;

  void broadcast(std::span<std::byte> bytes, int root);
  // `all` holds size() blocks of `mine`'s size, by rank.
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all);
  void barrier();
  // In rank order, so every rank has the same bits. Not a number wins the maximum.
  void all_reduce_sum(std::span<double> values);
  void all_reduce_max(std::span<double> values);
  // Strings of any length, by rank; everyone gets all.
  std::vector<std::string> all_gather_text(std::string_view mine);
  std::string broadcast_text(std::string_view text, int root);

  // What this rank is doing; named by the others when it does not come. Cheap: a few stores.
  // `activity` should be short: what is beyond 47 bytes is cut.
  virtual void set_activity(const char* activity, long step) noexcept = 0;
  // Of each wait from now on; communicators made from this one begin with its deadline.
  void set_deadline(std::chrono::milliseconds deadline) { deadline_ = deadline; }
  std::chrono::milliseconds deadline() const { return deadline_; }

 private:
  using Combine = double (*)(double, double);
  void all_reduce(std::span<double> values, Combine combine);
  void all_reduce_slices(std::span<double> values, Combine combine);

  std::chrono::milliseconds deadline_{std::chrono::minutes(5)};
  std::vector<double> scratch_;  // of the reductions; grows, then stays
};

// Ranks of `communicator` whose color is this rank's, ordered by key, then by rank. Collective.
std::vector<int> members_of_color(Communicator& communicator, int color, int key);

// One rank, alone.
std::unique_ptr<Communicator> make_single_communicator();
// Runs `body` on `ranks` threads, each with its own communicator. When one throws, the others'
// waits end with Error(ranks), and the first error is thrown here.
void run_local_ranks(int ranks, const std::function<void(Communicator&)>& body);

// Owns MPI for the process: initialises on construction (MPI_THREAD_MULTIPLE), finalises on
// destruction. Built without MPI, construction throws Error(usage) "built without MPI".
class MpiSession {
 public:
  MpiSession();
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  std::unique_ptr<Communicator> world();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace convoy
