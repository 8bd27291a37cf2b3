// What the machine gives right now: fused multiply-adds, and bytes to and from memory. The first,
// measured around every benchmark, tells a round that neighbours disturbed from one that is slow by
// itself.
//
//   machine_peak [THREADS [SECONDS]]
//
// prints {"gflops": G, "gigabytes_per_second": B}.
#include "cluster/machine_peak.h"

#include <fmt/format.h>

#include <cstdlib>
#include <thread>

int main(int argc, char** argv) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const int threads = argc > 1 ? std::atoi(argv[1]) : cores;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 0.5;
  const double gflops = convoy::peak_gflops(threads, seconds);
  fmt::print("{{\"gflops\": {:.1f}, \"gigabytes_per_second\": {:.1f}}}\n", gflops,
             convoy::memory_bandwidth(threads, seconds));
}
