#include "cluster/reducer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "cluster/tree_sum.h"
#include "ops/core/arena.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

using Clock = std::chrono::steady_clock;
using Lock = std::unique_lock<std::mutex>;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A worker thread's lanes, and the buffers that they take turns in.
struct alignas(64) Worker {
  Worker(LaneRange range, int all_lanes, std::size_t floats);

  bool last(int lane) const { return lane == lanes.end - 1; }
  std::size_t index(int lane) const { return static_cast<std::size_t>(lane - lanes.begin); }

  LaneRange lanes;
  std::vector<LaneRange> nodes;                  // that its lanes add up to
  std::vector<std::vector<Addition>> additions;  // that each lane completes
  std::vector<float*> buffers;                   // by lane
  Arena arena;
  std::size_t done = 0;    // floats of the current lane that are final
  std::size_t bucket = 0;  // the first that is not yet final in all lanes
};

Worker::Worker(LaneRange range, int all_lanes, std::size_t floats)
    : lanes(range), nodes(covering_nodes(range, all_lanes)) {
  const auto count = static_cast<std::size_t>(lanes.count());
  std::vector<LaneRange> leaves;
  for (int lane = lanes.begin; lane < lanes.end; ++lane) leaves.push_back({lane, lane + 1});
  additions.resize(count);
  for (const Addition addition : tree_additions(nodes, leaves)) {
    additions[static_cast<std::size_t>(addition.into)].push_back(addition);
  }
  // A lane takes the first free buffer. One that was added to another leaves its own.
  std::vector<std::size_t> buffer_of(count);
  std::vector<bool> taken;
  for (std::size_t lane = 0; lane < count; ++lane) {
    const auto free = std::find(taken.begin(), taken.end(), false);
    buffer_of[lane] = static_cast<std::size_t>(free - taken.begin());
    if (free == taken.end()) taken.push_back(true);
    taken[buffer_of[lane]] = true;
    for (const Addition addition : additions[lane]) {
      taken[buffer_of[static_cast<std::size_t>(addition.from)]] = false;
    }
  }
  const std::size_t bytes = align_up(floats * sizeof(float));
  arena = Arena(taken.size() * bytes, "gradients");
  for (const std::size_t buffer : buffer_of) {
    buffers.push_back(reinterpret_cast<float*>(arena.data() + buffer * bytes));
  }
}

void check_plan(const Communicator& communicator, int lanes, int workers, std::size_t floats,
                std::span<const Bucket> buckets) {
  require(communicator.size() <= lanes, ExitCode::config, "lanes",
          "{} ranks for {} lanes: a rank serves at least one", communicator.size(), lanes);
  const int own = lanes_of(communicator.rank(), communicator.size(), lanes).count();
  require(1 <= workers && workers <= own, ExitCode::internal, "reducer",
          "{} workers for the {} lanes of this rank", workers, own);
  std::size_t end = 0;
  for (const Bucket bucket : buckets) {
    require(bucket.begin == end && bucket.end > end, ExitCode::internal, "reducer",
            "bucket [{}, {}) after float {}", bucket.begin, bucket.end, end);
    end = bucket.end;
  }
  require(end == floats && floats > 0, ExitCode::internal, "reducer",
          "buckets cover {} floats of {}", end, floats);
}

std::size_t longest(std::span<const Bucket> buckets) {
  std::size_t floats = 0;
  for (const Bucket bucket : buckets) floats = std::max(floats, bucket.end - bucket.begin);
  return floats;
}

}  // namespace

struct Reducer::State {
  State(Communicator& parent, int lanes, int workers, std::size_t floats, std::vector<Bucket> cuts);
  ~State();

  void arrive(std::size_t bucket);
  void communicate() noexcept;
  void sum(std::size_t bucket, Track* to);

  const std::size_t floats;
  const std::vector<Bucket> buckets;
  const LaneRange lanes;  // of this rank
  std::vector<Worker> workers;
  std::vector<std::atomic<int>> arrived;  // by bucket: workers that are done with it
  std::vector<float*> worker_parts;       // the nodes of all workers, left to right
  std::vector<Addition> additions;        // that make them the rank's nodes
  float* total = nullptr;                 // the last of these

  // With other ranks only.
  std::unique_ptr<Communicator> communicator;
  std::unique_ptr<TreeSum> tree;
  std::mutex mutex;                   // of what follows
  std::condition_variable to_thread;  // a bucket is there, or it is time to stop
  std::condition_variable to_waiter;  // all buckets are summed, or the thread has failed
  std::vector<bool> there;            // by bucket: final in this rank
  bool summed = false;
  bool stop = false;
  std::exception_ptr failure;
  double busy = 0;
  ReduceTimes last_step;
  Track* track = nullptr;
  std::thread thread;
};

Reducer::State::State(Communicator& parent, int all_lanes, int worker_count, std::size_t all_floats,
                      std::vector<Bucket> cuts)
    : floats(all_floats),
      buckets(std::move(cuts)),
      lanes(lanes_of(parent.rank(), parent.size(), all_lanes)),
      arrived(buckets.size()),
      there(buckets.size(), false) {
  check_plan(parent, all_lanes, worker_count, floats, buckets);
  std::vector<LaneRange> nodes;
  workers.reserve(static_cast<std::size_t>(worker_count));
  for (int w = 0; w < worker_count; ++w) {
    const Worker& worker =
        workers.emplace_back(lanes_of(w, worker_count, lanes), all_lanes, floats);
    for (const LaneRange node : worker.nodes) {
      nodes.push_back(node);
      worker_parts.push_back(worker.buffers[worker.index(node.end - 1)]);
    }
  }
  total = worker_parts.back();
  const std::vector<LaneRange> rank_nodes = covering_nodes(lanes, all_lanes);
  additions = tree_additions(rank_nodes, nodes);
  if (parent.size() == 1) return;
  std::vector<float*> rank_parts;
  for (const LaneRange node : rank_nodes) {
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i].end == node.end) rank_parts.push_back(worker_parts[i]);
    }
  }
  communicator = parent.duplicate();
  tree =
      std::make_unique<TreeSum>(*communicator, all_lanes, std::move(rank_parts), longest(buckets));
  thread = std::thread([this] { communicate(); });
}

Reducer::State::~State() {
  if (!thread.joinable()) return;
  {
    const Lock lock(mutex);
    stop = true;
  }
  to_thread.notify_one();
  communicator->interrupt();
  thread.join();
}

// The last worker to be done with a bucket adds what the workers have, while it is in the cache.
void Reducer::State::arrive(std::size_t bucket) {
  const auto count = static_cast<int>(workers.size());
  if (arrived[bucket].fetch_add(1, std::memory_order_acq_rel) + 1 < count) return;
  arrived[bucket].store(0, std::memory_order_relaxed);
  add_parts(additions, worker_parts, buckets[bucket].begin, buckets[bucket].end);
  if (tree == nullptr) return;
  {
    const Lock lock(mutex);
    there[bucket] = true;
  }
  to_thread.notify_one();
}

// The communication thread: buckets in plan order, on every rank the same.
void Reducer::State::communicate() noexcept {
  std::size_t next = 0;
  Track* to = nullptr;
  try {
    for (;;) {
      {
        Lock lock(mutex);
        to_thread.wait(lock, [&] { return stop || there[next]; });
        if (stop) return;
        there[next] = false;
        to = track;
      }
      sum(next, to);
      next = (next + 1) % buckets.size();
      if (next > 0) continue;
      const Lock lock(mutex);
      summed = true;
      last_step.busy = std::exchange(busy, 0);
      to_waiter.notify_one();
    }
  } catch (...) {
    const Lock lock(mutex);
    failure = std::current_exception();
    to_waiter.notify_one();
  }
}

void Reducer::State::sum(std::size_t bucket, Track* to) {
  const Traced traced(to, "sum of a bucket", "communication");
  const Clock::time_point start = Clock::now();
  try {
    tree->sum(buckets[bucket].begin, buckets[bucket].end);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("gradient bucket {} of {}", bucket + 1, buckets.size()),
                error.what());
  }
  busy += seconds_since(start);
}

Reducer::Reducer(Communicator& communicator, int lanes, int workers, std::size_t floats,
                 std::vector<Bucket> buckets)
    : state_(std::make_unique<State>(communicator, lanes, workers, floats, std::move(buckets))) {}

Reducer::~Reducer() = default;

LaneRange Reducer::rank_lanes() const {
  return state_->lanes;
}

LaneRange Reducer::worker_lanes(int worker) const {
  return state_->workers[static_cast<std::size_t>(worker)].lanes;
}

std::span<float> Reducer::lane_buffer(int worker, int lane) {
  const Worker& own = state_->workers[static_cast<std::size_t>(worker)];
  return {own.buffers[own.index(lane)], state_->floats};
}

void Reducer::ready(int worker, int lane, std::size_t end) {
  Worker& own = state_->workers[static_cast<std::size_t>(worker)];
  const std::size_t begin = own.done;
  own.done = end == state_->floats ? 0 : end;
  add_parts(own.additions[own.index(lane)], own.buffers, begin, end);
  if (!own.last(lane)) return;
  const std::vector<Bucket>& buckets = state_->buckets;
  while (own.bucket < buckets.size() && buckets[own.bucket].end <= end) {
    const std::size_t bucket = own.bucket++;
    if (own.bucket == buckets.size()) {
      own.bucket = 0;
      return state_->arrive(bucket);
    }
    state_->arrive(bucket);
  }
}

std::span<const float> Reducer::wait() {
  State& state = *state_;
  if (state.tree != nullptr) {
    const Clock::time_point start = Clock::now();
    Lock lock(state.mutex);
    state.to_waiter.wait(lock, [&] { return state.summed || state.failure != nullptr; });
    if (state.failure != nullptr) std::rethrow_exception(state.failure);
    state.summed = false;
    state.last_step.exposed = seconds_since(start);
  }
  return {state.total, state.floats};
}

ReduceTimes Reducer::times() const {
  const Lock lock(state_->mutex);
  return state_->last_step;
}

void Reducer::trace(Track* track) {
  const Lock lock(state_->mutex);
  state_->track = track;
}

}  // namespace convoy
