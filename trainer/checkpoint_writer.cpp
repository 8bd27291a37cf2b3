// CheckpointWriter: save_checkpoint in a thread of its own.
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>

#include "ops/core/check.h"
#include "ops/core/log.h"
#include "trainer/checkpoint.h"

namespace convoy {

struct CheckpointWriter::State {
  const Options options;
  mutable std::mutex mutex;
  std::condition_variable changed;
  Snapshot snapshot;  // the thread's while busy, ours otherwise
  bool busy = false;
  bool ending = false;
  bool last_is_durable = false;
  int failures = 0;
  int failures_in_a_row = 0;
  std::string last_error;
  std::uint64_t durable_step = 0;
  std::thread thread;

  explicit State(Options chosen) : options(std::move(chosen)) {}

  void run() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return busy || ending; });
      if (!busy) return;
      lock.unlock();
      const std::string error = save();
      lock.lock();
      busy = false;
      note(error);
      changed.notify_all();
    }
  }

  // What went wrong; empty if nothing did.
  std::string save() {
    try {
      save_checkpoint(options.folder, snapshot, options.keep);
      return {};
    } catch (const std::exception& error) {
      return error.what();
    }
  }

  void note(const std::string& error) {
    last_is_durable = error.empty();
    if (last_is_durable) {
      failures_in_a_row = 0;
      durable_step = snapshot.progress.step;
      log_info("checkpoint of step {} is on disk", durable_step);
      return;
    }
    ++failures;
    ++failures_in_a_row;
    last_error = error;
    log_warning("no checkpoint of step {} ({} of at most {} failures in a row): {}",
                snapshot.progress.step, failures_in_a_row, options.max_failures, error);
  }
};

CheckpointWriter::CheckpointWriter(Options options)
    : state_(std::make_unique<State>(std::move(options))) {
  // Signals are for the thread that trains.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  state_->thread = std::thread([state = state_.get()] { state->run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

CheckpointWriter::~CheckpointWriter() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->ending = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

bool CheckpointWriter::busy() const {
  const std::lock_guard lock(state_->mutex);
  return state_->busy;
}

bool CheckpointWriter::save_async(Snapshot& snapshot, IfBusy if_busy) {
  std::unique_lock lock(state_->mutex);
  if (state_->busy && if_busy == IfBusy::skip) return false;
  state_->changed.wait(lock, [&] { return !state_->busy; });
  require(state_->failures_in_a_row < state_->options.max_failures, ExitCode::storage,
          state_->options.folder.string(), "{} checkpoints in a row could not be saved: {}",
          state_->failures_in_a_row, state_->last_error);
  std::swap(snapshot, state_->snapshot);
  state_->busy = true;
  state_->changed.notify_all();
  return true;
}

bool CheckpointWriter::wait() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return !state_->busy; });
  return state_->last_is_durable;
}

int CheckpointWriter::failures() const {
  const std::lock_guard lock(state_->mutex);
  return state_->failures;
}

std::string CheckpointWriter::last_error() const {
  const std::lock_guard lock(state_->mutex);
  return state_->last_error;
}

std::uint64_t CheckpointWriter::durable_step() const {
  const std::lock_guard lock(state_->mutex);
  return state_->durable_step;
}

}  // namespace convoy
