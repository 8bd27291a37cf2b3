// Parallel: the same work on each of many items, by a few threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace convoy {

// Calls body(thread, item) for every item in [0, items), by `threads` threads, items in rising
// order. After an exception no further item is begun; the one of the lowest item is rethrown, which
// for a given input is the same for any number of threads.
template <class Body>
void parallel_for(int threads, std::uint64_t items, const Body& body) {
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex mutex;
  std::exception_ptr error;
  std::uint64_t error_item = ~0ull;
  const auto work = [&](int thread) {
    while (!failed) {
      const std::uint64_t item = next++;
      if (item >= items) return;
      try {
        body(thread, item);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (item < error_item) {
          error = std::current_exception();
          error_item = item;
        }
        failed = true;
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (int thread = 1; thread < threads; ++thread) helpers.emplace_back(work, thread);
    work(0);
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace convoy
