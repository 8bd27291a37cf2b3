// What the bytes of an image cost: random reads from a warm data set, without and with the
// checksum, on one thread and on several at once. Rounds in turns; the least disturbed ones count.
//
//   read_bench DATA [SPLIT [THREADS]]
#include <fmt/format.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "data/dataset.h"
#include "ops/core/random.h"

namespace convoy {
namespace {

constexpr int reads = 2000;  // of each thread, in a round
constexpr int rounds = 15;

struct Kind {
  const char* name;
  bool check;
  int threads;
  std::vector<double> microseconds{};  // per read of one thread, by round
};

// Until the last of the threads is done.
double round_of(const Dataset& dataset, const Kind& kind, int round) {
  std::barrier start(kind.threads + 1);
  std::chrono::steady_clock::time_point begin;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kind.threads; ++t) {
      threads.emplace_back([&, t] {
        Random random(static_cast<std::uint64_t>(round), RandomUse::test,
                      static_cast<std::uint64_t>(t));
        std::vector<std::byte> buffer(dataset.largest().bytes);
        start.arrive_and_wait();
        for (int i = 0; i < reads; ++i) {
          const std::uint64_t index = random.below(static_cast<std::uint32_t>(dataset.size()));
          const auto bytes = dataset.fetch(index, buffer);
          if (kind.check) dataset.check(index, bytes);
        }
      });
    }
    start.arrive_and_wait();
    begin = std::chrono::steady_clock::now();
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  return 1e6 * seconds.count() / reads;
}

void run(const std::string& folder, const std::string& split, int most) {
  const Dataset dataset(folder, split);
  std::vector<Kind> kinds;
  for (const bool check : {false, true}) {
    kinds.push_back({check ? "with checksum" : "bytes alone", check, 1});
    kinds.push_back({"", check, most});
  }
  for (int round = -1; round < rounds; ++round) {  // the first one warms up
    for (Kind& kind : kinds) {
      const double time = round_of(dataset, kind, round);
      if (round >= 0) kind.microseconds.push_back(time);
    }
  }
  fmt::print("{} samples of {:.1f} KB on average; {} random reads a round, {} rounds\n",
             dataset.size(),
             static_cast<double>(dataset.bytes()) / static_cast<double>(dataset.size()) / 1000,
             reads, rounds);
  for (std::size_t i = 0; i < kinds.size(); i += 2) {
    const double one = std::ranges::min(kinds[i].microseconds);
    const double together = std::ranges::min(kinds[i + 1].microseconds);
    fmt::print("{:<14} {:6.1f} us per read; {} threads {:.2f} times as many\n", kinds[i].name, one,
               most, most * one / together);
  }
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: read_bench DATA [SPLIT [THREADS]]\n");
    return 64;
  }
  try {
    convoy::run(argv[1], argc > 2 ? argv[2] : "train", argc > 3 ? std::atoi(argv[3]) : 2);
  } catch (const std::exception& error) {
    fmt::print(stderr, "read_bench: {}\n", error.what());
    return 65;
  }
}
