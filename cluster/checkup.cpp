#include "cluster/checkup.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <set>
#include <sstream>

#include "cluster/environment.h"
#include "cluster/machine_peak.h"
#include "cluster/reducer.h"
#include "cluster/tree_sum.h"
#include "ops/core/memory.h"

namespace convoy {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double mebibyte = 1u << 20;
constexpr std::uint64_t least_memory = 1u << 30;  // bytes for a rank
constexpr std::uint64_t least_shm = 16u << 20;    // bytes for a rank: Open MPI's own default is 4
constexpr double slow = 0.75;                     // of the median
constexpr double least_bandwidth = 0.25;  // 1e9 bytes per second: two of Ethernet's gigabits
constexpr std::size_t message_bytes = std::size_t{4} << 20;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

std::uint64_t free_shm() {
  struct statvfs info {};
  if (::statvfs("/dev/shm", &info) != 0) return 0;
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

// What a rank knows of itself before anything is measured, as it tells the others.
std::string encode(const RankFacts& facts) {
  std::string text = fmt::format("{}\n{}\n{} {} {} {}", facts.host, facts.numerics,
                                 facts.host_cores, facts.memory, facts.shm, facts.cores.size());
  for (const int core : facts.cores) text += fmt::format(" {}", core);
  return text;
}

RankFacts decode(const std::string& text) {
  RankFacts facts;
  std::istringstream lines(text);
  std::getline(lines, facts.host);
  std::getline(lines, facts.numerics);
  std::size_t cores = 0;
  lines >> facts.host_cores >> facts.memory >> facts.shm >> cores;
  facts.cores.resize(cores);
  for (int& core : facts.cores) lines >> core;
  return facts;
}

// Ranks by host, in the order of their first ones.
std::vector<std::vector<int>> hosts_of(const std::vector<RankFacts>& ranks) {
  std::vector<std::vector<int>> hosts;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    auto host = std::ranges::find_if(hosts, [&](const std::vector<int>& known) {
      return ranks[static_cast<std::size_t>(known.front())].host == ranks[rank].host;
    });
    if (host == hosts.end()) host = hosts.insert(host, std::vector<int>());
    host->push_back(static_cast<int>(rank));
  }
  return hosts;
}

std::size_t cores_together(const std::vector<RankFacts>& ranks, const std::vector<int>& host) {
  std::set<int> all;
  for (const int rank : host) {
    const auto& cores = ranks[static_cast<std::size_t>(rank)].cores;
    all.insert(cores.begin(), cores.end());
  }
  return all.size();
}

// Each rank measures its share of its host's cores, all at the same time.
void measure_ranks(Communicator& communicator, double seconds, std::vector<RankFacts>& ranks) {
  for (const std::vector<int>& host : hosts_of(ranks)) {
    const std::size_t share = cores_together(ranks, host) / host.size();
    for (const int rank : host) {
      RankFacts& facts = ranks[static_cast<std::size_t>(rank)];
      facts.threads = static_cast<int>(std::clamp<std::size_t>(share, 1, facts.cores.size()));
    }
  }
  const int threads = ranks[static_cast<std::size_t>(communicator.rank())].threads;
  std::array<double, 2> mine{};
  communicator.barrier();
  mine[0] = peak_gflops(threads, seconds);
  communicator.barrier();
  mine[1] = memory_bandwidth(threads, seconds);
  std::vector<double> all(2 * ranks.size());
  communicator.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    ranks[rank].gflops = all[2 * rank];
    ranks[rank].memory_bandwidth = all[2 * rank + 1];
  }
}

// Seconds for a message of `bytes` from one rank to the other: half of the way there and back, the
// least of many. 0 on other ranks.
double time_of_message(Communicator& communicator, int from, int to, std::span<std::byte> bytes,
                       double seconds) {
  const int self = communicator.rank();
  if (self != from && self != to) return 0;
  const int other = self == from ? to : from;
  const Outgoing out{other, bytes};
  const Incoming in{other, bytes};
  double least = 1e9;
  double spent = 0;
  std::byte more{1};  // the first one says when it is enough
  while (more != std::byte{0}) {
    const auto begin = Clock::now();
    if (self == from) communicator.exchange({&out, 1}, {});
    communicator.exchange({}, {&in, 1});
    if (self == to) communicator.exchange({&out, 1}, {});
    const double elapsed = seconds_since(begin);
    least = std::min(least, elapsed / 2);
    spent += elapsed;
    if (spent > seconds) more = std::byte{0};
    const Outgoing decision{other, {&more, 1}};
    const Incoming decided{other, {&more, 1}};
    if (self == from) communicator.exchange({&decision, 1}, {});
    if (self == to) communicator.exchange({}, {&decided, 1});
  }
  return self == from ? least : 0;
}

std::vector<LinkFacts> pairs_of(const std::vector<RankFacts>& ranks) {
  std::vector<LinkFacts> links;
  const auto hosts = hosts_of(ranks);
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (hosts[i].size() > 1) links.push_back({.from = hosts[i][0], .to = hosts[i][1]});
    if (i + 1 < hosts.size()) links.push_back({.from = hosts[i][0], .to = hosts[i + 1][0]});
  }
  return links;
}

std::vector<LinkFacts> measure_links(Communicator& communicator, double seconds,
                                     const std::vector<RankFacts>& ranks) {
  std::vector<LinkFacts> links = pairs_of(ranks);
  std::vector<std::byte> message(message_bytes);
  const double each = seconds / (2 * static_cast<double>(std::max<std::size_t>(1, links.size())));
  for (LinkFacts& link : links) {
    communicator.barrier();
    std::array<double, 2> times = {
        time_of_message(communicator, link.from, link.to, std::span(message).first(1), each),
        time_of_message(communicator, link.from, link.to, message, each)};
    communicator.all_reduce_max(times);
    link.latency = times[0];
    link.bandwidth = static_cast<double>(message_bytes) / times[1] / 1e9;
  }
  return links;
}

// Of the slowest rank, the least of a few.
double measure_sum(Communicator& communicator, double seconds) {
  if (communicator.size() == 1) return 0;
  std::vector<float> gradients(gradients_of_checkup, 1.0f);
  const std::size_t ready[] = {gradients.size()};
  const std::vector<Bucket> buckets = cut_buckets(ready);
  TreeSum tree(communicator, communicator.size(), {gradients.data()}, gradients.size());
  double least = 1e9;
  for (double spent = 0; spent < seconds;) {
    std::ranges::fill(gradients, 1.0f);
    communicator.barrier();
    const auto begin = Clock::now();
    for (const Bucket bucket : buckets) tree.sum(bucket.begin, bucket.end);
    double elapsed = seconds_since(begin);
    communicator.all_reduce_max({&elapsed, 1});
    least = std::min(least, elapsed);
    spent += elapsed;
  }
  return least;
}

// The first host to differ from rank 0's numerics.
void find_differences(const Checkup& checkup, std::vector<Finding>& findings) {
  const RankFacts& first = checkup.ranks.front();
  for (std::size_t rank = 1; rank < checkup.ranks.size(); ++rank) {
    const RankFacts& facts = checkup.ranks[rank];
    if (facts.numerics == first.numerics) continue;
    findings.push_back(
        {true, fmt::format("rank {} on {} computes with {}, rank 0 on {} with {}: "
                           "expected one build and one kind of processor",
                           rank, facts.host, facts.numerics, first.host, first.numerics)});
    return;
  }
}

void find_faults_of_host(const Checkup& checkup, const std::vector<int>& host,
                         std::vector<Finding>& findings) {
  const RankFacts& facts = checkup.ranks[static_cast<std::size_t>(host.front())];
  const std::size_t cores = cores_together(checkup.ranks, host);
  const auto allowed = static_cast<std::size_t>(facts.host_cores);
  if (cores < host.size()) {
    findings.push_back({false, fmt::format("the {} ranks of {} take turns on {} of its {} cores: "
                                           "expected a core for each",
                                           host.size(), facts.host, cores, allowed)});
  } else if (cores < allowed) {
    findings.push_back({false, fmt::format("the ranks of {} are bound to {} of its {} cores: "
                                           "'mpirun --bind-to none' frees the others",
                                           facts.host, cores, allowed)});
  }
  const std::uint64_t share = facts.memory / host.size();
  if (share < least_memory) {
    findings.push_back({false, fmt::format("{} has {:.0f} MiB of memory for each of its ranks, "
                                           "expected {:.0f} or more",
                                           facts.host, static_cast<double>(share) / mebibyte,
                                           least_memory / mebibyte)});
  }
  if (host.size() > 1 && facts.shm / host.size() < least_shm) {
    findings.push_back(
        {false, fmt::format("/dev/shm of {} has {:.0f} MiB free for {} ranks, "
                            "expected {:.0f} or more: containers take --shm-size",
                            facts.host, static_cast<double>(facts.shm) / mebibyte, host.size(),
                            static_cast<double>(least_shm * host.size()) / mebibyte)});
  }
}

void find_slow_ranks(const Checkup& checkup, std::vector<Finding>& findings) {
  std::vector<double> by_core;
  for (const RankFacts& facts : checkup.ranks) by_core.push_back(facts.gflops / facts.threads);
  const double usual = median(by_core);
  for (std::size_t rank = 0; rank < by_core.size(); ++rank) {
    if (by_core[rank] >= slow * usual) continue;
    findings.push_back({false, fmt::format("rank {} on {} computes {:.0f} GFLOP/s on a core, the "
                                           "median is {:.0f}: every step would wait for it",
                                           rank, checkup.ranks[rank].host, by_core[rank], usual)});
  }
}

void find_slow_links(const Checkup& checkup, std::vector<Finding>& findings) {
  for (const LinkFacts& link : checkup.links) {
    if (link.bandwidth >= least_bandwidth) continue;
    const auto host = [&](int rank) { return checkup.ranks[static_cast<std::size_t>(rank)].host; };
    findings.push_back({false, fmt::format("messages from rank {} on {} to rank {} on {} come at "
                                           "{:.2f} GB/s, expected {} or more: is this the network "
                                           "that the cluster has for MPI?",
                                           link.from, host(link.from), link.to, host(link.to),
                                           link.bandwidth, least_bandwidth)});
  }
}

}  // namespace

Checkup check_up(Communicator& communicator, const std::string& numerics, double seconds) {
  RankFacts mine{.host = communicator.host(),
                 .numerics = numerics,
                 .cores = usable_core_numbers(),
                 .host_cores = allowed_cores(),
                 .memory = available_memory(),
                 .shm = free_shm()};
  Checkup checkup;
  for (const std::string& text : communicator.all_gather_text(encode(mine))) {
    checkup.ranks.push_back(decode(text));
  }
  measure_ranks(communicator, seconds, checkup.ranks);
  checkup.links = measure_links(communicator, seconds, checkup.ranks);
  checkup.sum_seconds = measure_sum(communicator, seconds);
  return checkup;
}

std::vector<Finding> findings_of(const Checkup& checkup) {
  std::vector<Finding> findings;
  find_differences(checkup, findings);
  for (const std::vector<int>& host : hosts_of(checkup.ranks)) {
    find_faults_of_host(checkup, host, findings);
  }
  find_slow_ranks(checkup, findings);
  find_slow_links(checkup, findings);
  std::ranges::stable_sort(findings, std::ranges::greater(), &Finding::grave);
  return findings;
}

std::string text_of_cores(const std::vector<int>& cores) {
  std::string text;
  for (std::size_t i = 0; i < cores.size();) {
    std::size_t last = i;
    while (last + 1 < cores.size() && cores[last + 1] == cores[last] + 1) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ",", cores[i]);
    if (last > i) text += fmt::format("-{}", cores[last]);
    i = last + 1;
  }
  return text;
}

}  // namespace convoy
