// The worker pool: everyone works on every call, errors come back, and floating point is set up.
#include "trainer/worker_pool.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace convoy {
namespace {

TEST(WorkerPool, EachWorkerDoesEachCallOnce) {
  for (const int workers : {1, 2, 5}) {
    WorkerPool pool(workers, 1);
    std::vector<int> calls(workers);
    for (int i = 0; i < 100; ++i) {
      pool.run([&](int worker) { ++calls[worker]; });
      EXPECT_EQ(calls, std::vector<int>(workers, i + 1));
    }
  }
}

TEST(WorkerPool, RethrowsTheErrorOfTheLowestWorkerOnceAllAreDone) {
  WorkerPool pool(4, 1);
  std::atomic<int> done{0};
  const auto fail_in_some = [&](int worker) {
    if (worker == 1 || worker == 3) throw std::runtime_error(std::to_string(worker));
    ++done;
  };
  for (int i = 1; i <= 3; ++i) {
    try {
      pool.run(fail_in_some);
      ADD_FAILURE() << "no error";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "1");
    }
    EXPECT_EQ(done, 2 * i);
  }
  pool.run([&](int) { ++done; });
  EXPECT_EQ(done, 10);
}

TEST(WorkerPool, TreatsDenormalsAsZeroAndSetsOpenMpThreads) {
  WorkerPool pool(2, 3);
  std::vector<float> products(2);
  std::vector<int> threads(2);
  const volatile float tiny = 1e-30f;
  pool.run([&](int worker) {
    products[worker] = tiny * 1e-10f;  // 1e-40 is denormal
    threads[worker] = omp_get_max_threads();
  });
  EXPECT_EQ(products, (std::vector<float>{0, 0}));
  EXPECT_EQ(threads, (std::vector<int>{3, 3}));
}

}  // namespace
}  // namespace convoy
