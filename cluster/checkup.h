// Checkup: is this allocation fit to train on? What each rank has, what it can do while all others
// do the same, how fast messages are, and what of that would slow a run down or break it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cluster/communicator.h"

namespace convoy {

struct RankFacts {
  std::string host;
  std::string numerics;         // what the bits of a result depend on, as the caller says it
  std::vector<int> cores;       // numbers of the processors that it may use
  int host_cores = 0;           // that it could use if nothing bound it
  std::uint64_t memory = 0;     // bytes that its host, container or job can still give
  std::uint64_t shm = 0;        // bytes free in /dev/shm, through which ranks of one host talk
  int threads = 0;              // that were measured: its share of the host's cores
  double gflops = 0;            // of all of them: see peak_gflops()
  double memory_bandwidth = 0;  // in 1e9 bytes per second
};

// Messages from one rank to another and back, while all others wait.
struct LinkFacts {
  int from = 0;
  int to = 0;
  double latency = 0;    // seconds, of an empty message one way
  double bandwidth = 0;  // in 1e9 bytes per second, one way, of messages of 4 MiB
};

struct Checkup {
  std::vector<RankFacts> ranks;
  std::vector<LinkFacts> links;  // within a host with several ranks, and from each host to the next
  double sum_seconds = 0;        // of 100 MB of gradients over all ranks; 0: one rank
};

inline constexpr std::size_t gradients_of_checkup =
    25'000'000;  // floats: ResNet-50 has 25.6 million

// Takes about four times `seconds`. Collective.
Checkup check_up(Communicator& communicator, const std::string& numerics, double seconds);

struct Finding {
  bool grave = false;  // a run would not be what it should be; otherwise slower than it could be
  std::string text;    // one line: what, where, and what helps
};

// Grave ones first. Pure.
std::vector<Finding> findings_of(const Checkup& checkup);

// Processors as "0-3,8".
std::string text_of_cores(const std::vector<int>& cores);

}  // namespace convoy
