#include "cluster/environment.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <thread>

#include "ops/core/check.h"
#include "ops/core/log.h"

namespace convoy {
namespace {

std::optional<int> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole ? std::optional(value) : std::nullopt;
}

std::optional<int> first_of(std::optional<int> a, std::optional<int> b) {
  return a ? a : b;
}

// Processors by number, as many as the kernel knows of.
using CoreSet = std::vector<bool>;

CoreSet affinity_mask() {
  // The kernel refuses sets smaller than its own, whose size it does not tell.
  for (int cores = 1024;; cores *= 2) {
    const std::size_t bytes = CPU_ALLOC_SIZE(cores);
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(
        CPU_ALLOC(cores), [](cpu_set_t* memory) { CPU_FREE(memory); });
    CPU_ZERO_S(bytes, set.get());
    if (::sched_getaffinity(0, bytes, set.get()) == 0) {
      CoreSet usable(static_cast<std::size_t>(cores));
      for (std::size_t i = 0; i < usable.size(); ++i) usable[i] = CPU_ISSET_S(i, bytes, set.get());
      return usable;
    }
    require(errno == EINVAL && cores < (1 << 20), ExitCode::internal, "sched_getaffinity", "{}",
            std::strerror(errno));
  }
}

int count(const CoreSet& cores) {
  return static_cast<int>(std::count(cores.begin(), cores.end(), true));
}

// One rank of this host, as worker_threads() tells the others.
struct LocalRank {
  int wanted;  // threads; 0 if they are to be shared out
  CoreSet cores;
};

std::string encode(const std::string& host, const LocalRank& rank) {
  std::string text = fmt::format("{}\n{}\n", host, rank.wanted);
  for (const bool usable : rank.cores) text += usable ? '1' : '0';
  return text;
}

std::optional<LocalRank> decode(const std::string& text, const std::string& host) {
  const std::size_t first = text.find('\n');
  const std::size_t second = text.find('\n', first + 1);
  if (text.compare(0, first, host) != 0) return std::nullopt;
  LocalRank rank{std::stoi(text.substr(first + 1, second - first - 1)), {}};
  for (std::size_t i = second + 1; i < text.size(); ++i) rank.cores.push_back(text[i] == '1');
  return rank;
}

std::vector<LocalRank> ranks_of_host(Communicator& communicator, const LocalRank& mine) {
  std::vector<LocalRank> ranks;
  for (const std::string& text : communicator.all_gather_text(encode(communicator.host(), mine))) {
    if (const auto rank = decode(text, communicator.host())) ranks.push_back(*rank);
  }
  return ranks;
}

CoreSet united(const std::vector<LocalRank>& ranks) {
  CoreSet all;
  for (const LocalRank& rank : ranks) {
    all.resize(std::max(all.size(), rank.cores.size()));
    for (std::size_t i = 0; i < rank.cores.size(); ++i) all[i] = all[i] || rank.cores[i];
  }
  return all;
}

void warn_of_waste(const std::vector<LocalRank>& ranks, int cores, int share, int lanes) {
  int threads = 0;
  for (const LocalRank& rank : ranks) threads += rank.wanted;
  if (threads > cores) {
    log_warning("{} worker threads on {} cores of this host: they will take turns", threads, cores);
  }
  const int allowed = allowed_cores();
  if (cores < allowed && share < lanes) {
    log_warning(
        "the ranks of this host are bound to {} of its {} cores: 'mpirun --bind-to none' frees the "
        "others",
        cores, allowed);
  }
}

}  // namespace

// A rank under mpirun inherits the Slurm variables of the daemon or script that started it, so Open
// MPI's come first. A batch script has SLURM_PROCID too, but no step, and an interactive shell has
// a step number beyond the range of int.
LauncherView launcher_view() {
  if (const auto ranks = number_in("OMPI_COMM_WORLD_SIZE")) {
    return {"mpirun", ranks, number_in("OMPI_COMM_WORLD_RANK")};
  }
  if (number_in("SLURM_STEP_ID")) {
    const auto tasks = first_of(number_in("SLURM_STEP_NUM_TASKS"), number_in("SLURM_NTASKS"));
    return {"srun", tasks, number_in("SLURM_PROCID")};
  }
  if (const auto ranks = number_in("PMI_SIZE")) {
    return {"mpirun", ranks, number_in("PMI_RANK")};
  }
  if (const auto rank = number_in("PMIX_RANK")) return {"mpirun", std::nullopt, rank};
  return {};
}

void check_world_size(const LauncherView& view, int ranks) {
  if (!view.ranks || *view.ranks <= ranks) return;
  fail(ExitCode::ranks, view.launcher, "started {} ranks, but MPI connects {} of them here: {}",
       *view.ranks, ranks,
       view.launcher == "srun"
           ? "start with 'srun --mpi=pmix' (see 'srun --mpi=list'), or with mpirun"
           : "convoy must be built with the MPI library that this mpirun belongs to");
}

int usable_cores() {
  return count(affinity_mask());
}

std::vector<int> usable_core_numbers() {
  const CoreSet cores = affinity_mask();
  std::vector<int> numbers;
  for (std::size_t i = 0; i < cores.size(); ++i) {
    if (cores[i]) numbers.push_back(static_cast<int>(i));
  }
  return numbers;
}

// What the kernel leaves of a request for all.
int allowed_cores() {
  int allowed = 0;
  std::thread([&] {
    constexpr int most = 1 << 16;
    const std::size_t bytes = CPU_ALLOC_SIZE(most);
    std::vector<unsigned char> all(bytes, 0xFF);
    ::sched_setaffinity(0, bytes, reinterpret_cast<const cpu_set_t*>(all.data()));
    allowed = count(affinity_mask());
  }).join();
  return allowed;
}

int worker_threads(Communicator& communicator, int wanted, int lanes) {
  require(lanes >= 1, ExitCode::internal, "worker_threads", "{} lanes, expected 1 or more", lanes);
  const LocalRank mine{std::clamp(wanted, 0, lanes), affinity_mask()};
  const std::vector<LocalRank> ranks = ranks_of_host(communicator, mine);
  const int cores = count(united(ranks));
  const int share = std::max(1, cores / static_cast<int>(ranks.size()));
  if (communicator.local_rank() == 0) warn_of_waste(ranks, cores, share, lanes);
  return mine.wanted > 0 ? mine.wanted : std::min({share, count(mine.cores), lanes});
}

}  // namespace convoy
