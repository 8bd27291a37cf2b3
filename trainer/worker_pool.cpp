#include "trainer/worker_pool.h"

#include <omp.h>
#include <xmmintrin.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace convoy {
namespace {

// Bits 15 and 6 of MXCSR: results, and operands, that are denormal become zero.
constexpr unsigned flush_to_zero = 1u << 15;
constexpr unsigned denormals_are_zero = 1u << 6;

void prepare_this_thread(int threads_per_worker) {
  omp_set_num_threads(threads_per_worker);
#pragma omp parallel num_threads(threads_per_worker)
  _mm_setcsr(_mm_getcsr() | flush_to_zero | denormals_are_zero);
}

}  // namespace

struct WorkerPool::State {
  int threads_per_worker = 1;

  std::mutex mutex;  // guards all below but `errors`
  std::condition_variable begin;
  std::condition_variable done;
  std::uint64_t call_number = 0;
  Call call = nullptr;  // null: end
  void* target = nullptr;
  int running = 0;

  std::vector<std::exception_ptr> errors;  // by worker; each writes its own
  std::vector<std::jthread> threads;       // workers 1, 2, ...

  void attempt(int worker) {
    try {
      call(target, worker);
    } catch (...) {
      errors[worker] = std::current_exception();
    }
  }

  void serve(int worker) {
    prepare_this_thread(threads_per_worker);
    std::uint64_t seen = 0;
    for (;;) {
      {
        std::unique_lock lock(mutex);
        begin.wait(lock, [&] { return call_number != seen; });
        seen = call_number;
        if (call == nullptr) return;
      }
      attempt(worker);
      const std::lock_guard lock(mutex);
      if (--running == 0) done.notify_one();
    }
  }

  void announce(Call new_call, void* new_target) {
    {
      const std::lock_guard lock(mutex);
      call = new_call;
      target = new_target;
      running = static_cast<int>(threads.size());
      ++call_number;
    }
    begin.notify_all();
  }
};

WorkerPool::WorkerPool(int workers, int threads_per_worker) : state_(std::make_unique<State>()) {
  state_->threads_per_worker = threads_per_worker;
  state_->errors.resize(workers);
  prepare_this_thread(threads_per_worker);
  for (int worker = 1; worker < workers; ++worker) {
    state_->threads.emplace_back([state = state_.get(), worker] { state->serve(worker); });
  }
}

WorkerPool::~WorkerPool() {
  state_->announce(nullptr, nullptr);
}

int WorkerPool::workers() const {
  return static_cast<int>(state_->errors.size());
}

void WorkerPool::run_erased(Call call, void* target) {
  State& state = *state_;
  state.announce(call, target);
  state.attempt(0);
  {
    std::unique_lock lock(state.mutex);
    state.done.wait(lock, [&] { return state.running == 0; });
  }
  std::exception_ptr first;
  for (std::exception_ptr& error : state.errors) {
    if (!first) first = error;
    error = nullptr;
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace convoy
