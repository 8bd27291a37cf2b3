// Environment: launchers' variables as Slurm, Open MPI and PMI set them, and threads per rank.
#include "cluster/environment.h"

#include <sched.h>
#include <stdlib.h>

#include <algorithm>
#include <map>
#include <utility>

#include "tests/support/ranks.h"

namespace convoy {
namespace {

using test::error_of;
using test::expect_holds;
using test::on_ranks;

// Of all variables that launcher_view() reads, only these are set while it lives.
class Variables {
 public:
  explicit Variables(const std::map<std::string, std::string>& set) {
    for (const char* name :
         {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS",
          "SLURM_NTASKS", "SLURM_PROCID", "PMI_SIZE", "PMI_RANK", "PMIX_RANK"}) {
      const char* value = ::getenv(name);
      before_.emplace_back(name,
                           value == nullptr ? std::nullopt : std::optional<std::string>(value));
      ::unsetenv(name);
    }
    for (const auto& [name, value] : set) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Variables() {
    for (const auto& [name, value] : before_) {
      ::unsetenv(name.c_str());
      if (value) ::setenv(name.c_str(), value->c_str(), 1);
    }
  }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

void expect_view(const std::map<std::string, std::string>& variables, const char* launcher,
                 std::optional<int> ranks, std::optional<int> rank) {
  const Variables set(variables);
  const LauncherView view = launcher_view();
  EXPECT_EQ(view.launcher, launcher);
  EXPECT_EQ(view.ranks, ranks);
  EXPECT_EQ(view.rank, rank);
}

TEST(LauncherView, StartedDirectly) {
  expect_view({}, "", std::nullopt, std::nullopt);
}

TEST(LauncherView, Mpirun) {
  expect_view({{"OMPI_COMM_WORLD_SIZE", "8"}, {"OMPI_COMM_WORLD_RANK", "3"}, {"PMIX_RANK", "3"}},
              "mpirun", 8, 3);
}

// mpirun starts its daemons with srun, whose variables the ranks inherit.
TEST(LauncherView, MpirunInsideSlurm) {
  expect_view({{"OMPI_COMM_WORLD_SIZE", "8"},
               {"OMPI_COMM_WORLD_RANK", "3"},
               {"SLURM_STEP_ID", "0"},
               {"SLURM_STEP_NUM_TASKS", "2"},
               {"SLURM_NTASKS", "8"},
               {"SLURM_PROCID", "1"}},
              "mpirun", 8, 3);
}

TEST(LauncherView, Srun) {
  expect_view({{"SLURM_STEP_ID", "4"},
               {"SLURM_STEP_NUM_TASKS", "6"},
               {"SLURM_NTASKS", "8"},
               {"SLURM_PROCID", "5"},
               {"PMIX_RANK", "5"}},
              "srun", 6, 5);
  expect_view({{"SLURM_STEP_ID", "4"}, {"SLURM_NTASKS", "8"}, {"SLURM_PROCID", "0"}}, "srun", 8, 0);
}

// The script of sbatch, and the shell of salloc, whose step has a number of its own.
TEST(LauncherView, AnAllocationIsNoLaunch) {
  expect_view({{"SLURM_NTASKS", "8"}, {"SLURM_PROCID", "0"}}, "", std::nullopt, std::nullopt);
  expect_view({{"SLURM_STEP_ID", "4294967290"},
               {"SLURM_STEP_NUM_TASKS", "1"},
               {"SLURM_NTASKS", "8"},
               {"SLURM_PROCID", "0"}},
              "", std::nullopt, std::nullopt);
}

TEST(LauncherView, OtherProcessManagers) {
  expect_view({{"PMI_SIZE", "4"}, {"PMI_RANK", "1"}}, "mpirun", 4, 1);
  expect_view({{"PMIX_RANK", "2"}}, "mpirun", std::nullopt, 2);
}

TEST(LauncherView, NonsenseIsIgnored) {
  expect_view({{"OMPI_COMM_WORLD_SIZE", "many"}}, "", std::nullopt, std::nullopt);
  expect_view({{"PMI_SIZE", "4x"}}, "", std::nullopt, std::nullopt);
}

TEST(WorldSize, ManyJobsOfOneAreRefused) {
  const std::string slurm = error_of(ExitCode::ranks, [] { check_world_size({"srun", 8, 2}, 1); });
  expect_holds(slurm, {"srun", "8 ranks", "1 ", "srun --mpi=pmix"});
  const std::string mpirun = error_of(ExitCode::ranks, [] {
    check_world_size({"mpirun", 8, 2}, 1);
  });
  expect_holds(mpirun, {"mpirun", "8 ranks"});
  check_world_size({"srun", 8, 2}, 8);
  check_world_size({"", std::nullopt, std::nullopt}, 1);
}

cpu_set_t mask() {
  cpu_set_t set;
  CPU_ZERO(&set);
  EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  return set;
}

TEST(WorkerThreads, UsableCoresFollowTheMask) {
  const cpu_set_t before = mask();
  EXPECT_EQ(usable_cores(), CPU_COUNT(&before));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int core = 0; CPU_COUNT(&one) == 0; ++core) {
    if (CPU_ISSET(core, &before)) CPU_SET(core, &one);
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_cores(), 1);
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

TEST(WorkerThreads, RanksShareOneMask) {
  const int cores = usable_cores();
  for (const int ranks : {1, 2, 3}) {
    on_ranks(ranks, [&](Communicator& communicator) {
      EXPECT_EQ(worker_threads(communicator, 0, 1000), std::max(1, cores / ranks));
      EXPECT_EQ(worker_threads(communicator, 0, 1), 1);
      EXPECT_EQ(worker_threads(communicator, 3, 1000), 3);
      EXPECT_EQ(worker_threads(communicator, 3, 2), 2);
    });
  }
}

// Each rank is bound to a core of its own: none may count the other's.
TEST(WorkerThreads, RanksWithMasksOfTheirOwn) {
  const cpu_set_t all = mask();
  if (CPU_COUNT(&all) < 2) GTEST_SKIP() << "one core only";
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &all)) cores.push_back(core);
  }
  on_ranks(2, [&](Communicator& communicator) {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(static_cast<std::size_t>(cores[static_cast<std::size_t>(communicator.rank())]), &own);
    ASSERT_EQ(::sched_setaffinity(0, sizeof own, &own), 0);  // of this rank's thread
    EXPECT_EQ(worker_threads(communicator, 0, 1000), 1);
  });
}

}  // namespace
}  // namespace convoy
