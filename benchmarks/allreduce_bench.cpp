// The fixed tree sum between ranks against MPI_Allreduce, by size, interleaved. Run it with
//   mpirun -n 2 build/benchmarks/allreduce_bench [repeats]
// Prints the median milliseconds of the slowest rank, and payload / time in GB/s.
#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <vector>

#include "cluster/communicator.h"
#include "cluster/reducer.h"
#include "cluster/tree_sum.h"

namespace convoy {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Milliseconds of the slowest rank.
double time_of(Communicator& communicator, const std::function<void()>& body) {
  communicator.barrier();
  const auto start = std::chrono::steady_clock::now();
  body();
  double elapsed =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  communicator.all_reduce_max({&elapsed, 1});
  return elapsed;
}

void run(int repeats) {
  MpiSession session;
  const auto communicator = session.world();
  const int ranks = communicator->size();
  const bool speaks = communicator->rank() == 0;
  if (speaks) {
    fmt::print("{} ranks, {} of them on this host\n", ranks, communicator->local_size());
    fmt::print("{:>10} {:>10} {:>10} {:>14} {:>10}\n", "KiB", "tree ms", "tree GB/s",
               "allreduce ms", "GB/s");
  }
  for (const std::size_t kib : {64, 256, 512, 1024, 4096, 16384, 65536, 102400}) {
    const std::size_t floats = kib * 256;
    std::vector<float> gradients(floats, 1.0F);
    const std::size_t ready[] = {floats};
    const std::vector<Bucket> buckets = cut_buckets(ready);
    std::vector<double> tree_ms, all_ms;
    TreeSum tree(*communicator, ranks, {gradients.data()}, floats);
    for (int repeat = 0; repeat < repeats + 2; ++repeat) {
      std::fill(gradients.begin(), gradients.end(), 1.0F);
      const double ours = time_of(*communicator, [&] {
        for (const Bucket bucket : buckets) tree.sum(bucket.begin, bucket.end);
      });
      const auto right = [&](float value) { return value == static_cast<float>(ranks); };
      if (!std::all_of(gradients.begin(), gradients.end(), right)) std::abort();
      std::fill(gradients.begin(), gradients.end(), 1.0F);
      const double theirs = time_of(*communicator, [&] {
        MPI_Allreduce(MPI_IN_PLACE, gradients.data(), static_cast<int>(floats), MPI_FLOAT, MPI_SUM,
                      MPI_COMM_WORLD);
      });
      if (repeat < 2) continue;  // connections and buffers are made on first use
      tree_ms.push_back(ours);
      all_ms.push_back(theirs);
    }
    const double ours = median(tree_ms);
    const double theirs = median(all_ms);
    const double megabytes = static_cast<double>(floats) * 4e-6;
    if (speaks) {
      fmt::print("{:>10} {:>10.3f} {:>10.2f} {:>14.3f} {:>10.2f}\n", kib, ours, megabytes / ours,
                 theirs, megabytes / theirs);
    }
  }
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  try {
    convoy::run(argc > 1 ? std::atoi(argv[1]) : 11);
  } catch (const std::exception& error) {
    fmt::print(stderr, "allreduce_bench: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
