// The local member: ranks are threads of one process. A message is a pointer in the mailbox of its
// pair of ranks; the receiver copies straight out of the sender's memory, and the sender waits
// until it has.
#include "cluster/communicator.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "cluster/roster.h"
#include "ops/core/check.h"
#include "ops/core/log.h"

namespace convoy {
namespace {

using Clock = std::chrono::steady_clock;
using Lock = std::unique_lock<std::mutex>;

// A message under way; lives in its sender while exchange() runs there.
struct Post {
  std::span<const std::byte> bytes;
  int to = 0;
  bool taken = false;   // the receiver copies
  bool copied = false;  // the receiver is done
  Post* next = nullptr;
};

// Messages of one pair of ranks, first in, first out.
class Mailbox {
 public:
  bool empty() const { return head_ == nullptr; }
  void push(Post& post) {
    (head_ == nullptr ? head_ : tail_->next) = &post;
    tail_ = &post;
  }
  Post& pop() { return *std::exchange(head_, head_->next); }
  void clear() { head_ = nullptr; }

 private:
  Post* head_ = nullptr;
  Post* tail_ = nullptr;
};

// What all ranks of a process share. One mutex guards it and the mailboxes of all groups.
struct World {
  explicit World(int ranks)
      : cells(static_cast<std::size_t>(ranks)), ended(cells.size(), false), roster(seats()) {}

  std::vector<Roster::Member> seats() {
    std::vector<Roster::Member> members;
    for (ActivityCell& cell : cells) members.push_back({this_host(), &cell});
    return members;
  }
  void wake_all() {
    for (std::condition_variable* waiter : waiters) waiter->notify_all();
  }
  void end_waits(std::string why) {
    const Lock lock(mutex);
    if (failure.empty()) failure = std::move(why);
    wake_all();
  }
  void mark_ended(int rank) {
    const Lock lock(mutex);
    ended[static_cast<std::size_t>(rank)] = true;
    wake_all();
  }

  std::mutex mutex;
  std::vector<ActivityCell> cells;
  std::vector<bool> ended;  // by rank: its body has returned
  std::string failure;      // why all waits end; empty while all is well
  std::vector<std::condition_variable*> waiters;
  const Roster roster;
};

// One communicator as all its ranks see it.
struct Group {
  Group(std::shared_ptr<World> of, std::vector<int> ranks)
      : world(std::move(of)),
        members(std::move(ranks)),
        boxes(members.size() * members.size()),
        wakes(members.size()) {
    const Lock lock(world->mutex);
    for (std::condition_variable& wake : wakes) world->waiters.push_back(&wake);
  }
  ~Group() {
    const Lock lock(world->mutex);
    std::erase_if(world->waiters, [&](const std::condition_variable* waiter) {
      return waiter >= wakes.data() && waiter < wakes.data() + wakes.size();
    });
  }
  Group(const Group&) = delete;

  Mailbox& box(int from, int to) {
    return boxes[static_cast<std::size_t>(from) * members.size() + static_cast<std::size_t>(to)];
  }
  std::condition_variable& wake(int rank) { return wakes[static_cast<std::size_t>(rank)]; }
  int world_rank(int rank) const { return members[static_cast<std::size_t>(rank)]; }

  const std::shared_ptr<World> world;
  const std::vector<int> members;  // ranks in the world
  std::vector<Mailbox> boxes;
  std::vector<std::condition_variable> wakes;  // by rank
  // Groups made from this one that not all of their ranks have fetched yet, by the number of the
  // call that makes them and the first member.
  struct Child {
    std::shared_ptr<Group> group;
    std::size_t fetched = 0;
  };
  std::mutex children_mutex;
  std::map<std::pair<int, int>, Child> children;
};

class LocalCommunicator final : public Communicator {
 public:
  LocalCommunicator(std::shared_ptr<Group> group, int rank)
      : group_(std::move(group)), world_(*group_->world), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(group_->members.size()); }
  int local_rank() const override { return rank_; }
  int local_size() const override { return size(); }
  const std::string& host() const override { return world_.roster.host(own_world_rank()); }

  void exchange(std::span<const Outgoing> out, std::span<const Incoming> in) override;
  std::unique_ptr<Communicator> duplicate() override;
  std::unique_ptr<Communicator> split(int color, int key) override;
  void abort(int exit_code) noexcept override;
  void interrupt() noexcept override;
  void set_activity(const char* activity, long step) noexcept override {
    world_.roster.cell(own_world_rank())->publish(activity, step);
  }

 private:
  int own_world_rank() const { return group_->world_rank(rank_); }
  std::unique_ptr<Communicator> child(std::vector<int> members);
  void post(std::span<const Outgoing> out);
  void receive_all(Lock& lock, std::span<const Incoming> in, Clock::time_point start);
  bool receive_one(Lock& lock, std::span<const Incoming> in);
  template <class Done, class EachMissing>
  void wait(Lock& lock, Clock::time_point start, Done done, EachMissing each_missing);
  void withdraw(Lock& lock) noexcept;
  [[noreturn]] void give_up(const std::string& why) const {
    throw Error(ExitCode::ranks, world_.roster.name(own_world_rank()), why);
  }

  const std::shared_ptr<Group> group_;
  World& world_;
  const int rank_;
  int children_ = 0;          // made so far: equal on all ranks, for making one is collective
  bool interrupted_ = false;  // guarded by world_.mutex
  std::vector<Post> posts_;
  std::vector<bool> received_;
};

void LocalCommunicator::exchange(std::span<const Outgoing> out, std::span<const Incoming> in) {
  const Clock::time_point start = Clock::now();
  Lock lock(world_.mutex);
  post(out);
  try {
    receive_all(lock, in, start);
    const auto copied = [](const Post& message) { return message.copied; };
    wait(
        lock, start, [&] { return std::all_of(posts_.begin(), posts_.end(), copied); },
        [&](auto&& use) {
          for (const Post& message : posts_) {
            if (!message.copied) use(message.to);
          }
        });
  } catch (...) {
    withdraw(lock);
    throw;
  }
}

void LocalCommunicator::post(std::span<const Outgoing> out) {
  posts_.clear();
  posts_.reserve(out.size());
  for (const Outgoing& message : out) {
    posts_.push_back({.bytes = message.bytes, .to = message.to});
    group_->box(rank_, message.to).push(posts_.back());
    group_->wake(message.to).notify_one();
  }
}

void LocalCommunicator::receive_all(Lock& lock, std::span<const Incoming> in,
                                    Clock::time_point start) {
  received_.assign(in.size(), false);
  const auto each_missing = [&](auto&& use) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (!received_[i] && group_->box(in[i].from, rank_).empty()) use(in[i].from);
    }
  };
  for (std::size_t left = in.size(); left > 0;) {
    if (receive_one(lock, in)) {
      --left;
      continue;
    }
    const auto arrived = [&] {
      for (std::size_t i = 0; i < in.size(); ++i) {
        if (!received_[i] && !group_->box(in[i].from, rank_).empty()) return true;
      }
      return false;
    };
    wait(lock, start, arrived, each_missing);
  }
}

// Takes the first message that is there for any of `in`. One at a time from the front: another may
// come in while the lock is open, and those of a pair must keep their order.
bool LocalCommunicator::receive_one(Lock& lock, std::span<const Incoming> in) {
  for (std::size_t i = 0; i < in.size(); ++i) {
    Mailbox& box = group_->box(in[i].from, rank_);
    if (received_[i] || box.empty()) continue;
    Post& message = box.pop();
    message.taken = true;
    received_[i] = true;
    const std::size_t bytes = message.bytes.size();
    if (bytes == in[i].bytes.size()) {
      lock.unlock();
      std::copy(message.bytes.begin(), message.bytes.end(), in[i].bytes.begin());
      lock.lock();
    }
    message.copied = true;  // the sender may end from here on
    group_->wake(in[i].from).notify_one();
    if (bytes != in[i].bytes.size()) {
      give_up(fmt::format("{} sent {} bytes, expected {}",
                          world_.roster.name(group_->world_rank(in[i].from)), bytes,
                          in[i].bytes.size()));
    }
    return true;
  }
  return false;
}

template <class Done, class EachMissing>
void LocalCommunicator::wait(Lock& lock, Clock::time_point start, Done done,
                             EachMissing each_missing) {
  const WaitMark mark(world_.roster.cell(own_world_rank()));
  bool late = false;
  while (!done()) {
    if (!world_.failure.empty()) give_up(world_.failure);
    if (interrupted_) give_up("interrupted while waiting for other ranks");
    each_missing([&](int rank) {
      const int missing = group_->world_rank(rank);
      if (world_.ended[static_cast<std::size_t>(missing)]) {
        give_up(fmt::format("waits for {}, which has ended", world_.roster.name(missing)));
      }
    });
    if (late) {
      std::vector<int> missing;
      each_missing([&](int rank) {
        const int named = group_->world_rank(rank);
        if (std::find(missing.begin(), missing.end(), named) == missing.end()) {
          missing.push_back(named);
        }
      });
      world_.roster.fail_waiting(own_world_rank(), missing, Clock::now() - start);
    }
    late = group_->wake(rank_).wait_until(lock, start + deadline()) == std::cv_status::timeout;
  }
}

// Takes back what nobody has begun to copy, and lets those who have finish: the memory is the
// caller's.
void LocalCommunicator::withdraw(Lock& lock) noexcept {
  for (const Post& message : posts_) {
    if (!message.taken) group_->box(rank_, message.to).clear();
  }
  group_->wake(rank_).wait(lock, [&] {
    return std::all_of(posts_.begin(), posts_.end(),
                       [](const Post& message) { return !message.taken || message.copied; });
  });
}

std::unique_ptr<Communicator> LocalCommunicator::duplicate() {
  return child(members_of_color(*this, 0, 0));
}

std::unique_ptr<Communicator> LocalCommunicator::split(int color, int key) {
  return child(members_of_color(*this, color, key));
}

std::unique_ptr<Communicator> LocalCommunicator::child(std::vector<int> members) {
  const auto self = std::find(members.begin(), members.end(), rank_) - members.begin();
  const std::pair name(children_++, members.front());
  for (int& member : members) member = group_->world_rank(member);
  std::shared_ptr<Group> group;
  {
    const Lock lock(group_->children_mutex);
    Group::Child& entry = group_->children[name];
    if (entry.group == nullptr) {
      entry.group = std::make_shared<Group>(group_->world, std::move(members));
    }
    group = entry.group;
    if (++entry.fetched == group->members.size()) group_->children.erase(name);
  }
  auto made = std::make_unique<LocalCommunicator>(std::move(group), static_cast<int>(self));
  made->set_deadline(deadline());
  return made;
}

void LocalCommunicator::abort(int exit_code) noexcept {
  world_.end_waits(fmt::format("{} ended the job with exit code {}",
                               world_.roster.name(own_world_rank()), exit_code));
}

void LocalCommunicator::interrupt() noexcept {
  const Lock lock(world_.mutex);
  interrupted_ = true;
  group_->wake(rank_).notify_all();
}

std::string what(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& known) {
    return known.what();
  } catch (...) {
    return "unknown exception";
  }
}

std::shared_ptr<Group> make_world_group(int ranks) {
  std::vector<int> members;
  for (int rank = 0; rank < ranks; ++rank) members.push_back(rank);
  return std::make_shared<Group>(std::make_shared<World>(ranks), std::move(members));
}

}  // namespace

std::unique_ptr<Communicator> make_single_communicator() {
  return std::make_unique<LocalCommunicator>(make_world_group(1), 0);
}

void run_local_ranks(int ranks, const std::function<void(Communicator&)>& body) {
  const std::shared_ptr<Group> group = make_world_group(ranks);
  World& world = *group->world;
  std::mutex mutex;
  std::exception_ptr first;
  const auto run = [&](int rank) {
    try {
      set_log_rank(rank, ranks);
      LocalCommunicator communicator(group, rank);
      body(communicator);
      world.mark_ended(rank);
    } catch (...) {
      const std::exception_ptr error = std::current_exception();
      {
        const Lock lock(mutex);
        if (first == nullptr) first = error;
      }
      world.end_waits(fmt::format("{} failed: {}", world.roster.name(rank), what(error)));
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < ranks; ++rank) threads.emplace_back(run, rank);
  }
  if (first != nullptr) std::rethrow_exception(first);
}

}  // namespace convoy
