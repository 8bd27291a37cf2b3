// Environment: what the launcher and the machine say about this job, and whether that fits
// together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/communicator.h"

namespace convoy {

struct LauncherView {
  std::string launcher;  // "mpirun", "srun", or "" when started directly
  std::optional<int>
      ranks;  // of the job, by SLURM_NTASKS, OMPI_COMM_WORLD_SIZE, PMI_SIZE, PMIX ...
  std::optional<int> rank;
};

// From the variables of Slurm's steps, Open MPI 4 and 5 and PMI. A batch script's allocation
// without a step is not a launch.
LauncherView launcher_view();

// Error(ranks) if the launcher started more ranks than the communicator has: a job meant to be of 8
// must never run as 8 jobs of 1.
void check_world_size(const LauncherView& view, int ranks);

// Processors in this process's affinity mask: how many, and their numbers.
int usable_cores();
std::vector<int> usable_core_numbers();

// How many it could have if nothing but the machine or container limited it.
int allowed_cores();

// Worker threads for this rank: `wanted`, or, where that is 0, its share of the cores that the
// ranks of this host may use together, at least 1; never more than `lanes`. Warns when threads
// exceed cores. Collective.
int worker_threads(Communicator& communicator, int wanted, int lanes);

}  // namespace convoy
