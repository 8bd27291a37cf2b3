// WorkerPool: the compute threads of a rank. They live as long as the pool and wait between calls;
// a call allocates nothing.
#pragma once

#include <memory>
#include <type_traits>

namespace convoy {

class WorkerPool {
 public:
  // The caller is worker 0; `workers` - 1 threads are started. Each worker, the caller included,
  // runs OpenMP regions on `threads_per_worker` threads and treats denormal numbers as zero: they
  // cost a hundred times the time of others and mean nothing to training.
  WorkerPool(int workers, int threads_per_worker);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int workers() const;

  // body(worker) on all workers at once; returns when all are done. Rethrows the error of the
  // lowest worker that failed. Called by the thread that made the pool.
  template <class Body>
  void run(Body&& body) {
    using Target = std::remove_reference_t<Body>;
    run_erased([](void* target, int worker) { (*static_cast<Target*>(target))(worker); },
               const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using Call = void (*)(void* target, int worker);
  void run_erased(Call call, void* target);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace convoy
