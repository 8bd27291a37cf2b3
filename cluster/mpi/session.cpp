// MpiSession: MPI from MPI_Init to MPI_Finalize, and the job's roster: host names, and one activity
// cell per rank in memory that the ranks of a host share.
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <new>

#include "cluster/mpi/communicator.h"
#include "ops/core/check.h"
#include "ops/core/log.h"

namespace convoy {
namespace {

// Open MPI copies large messages straight out of the sender's process. Containers often forbid
// that; it then complains on every message, unless it is told beforehand.
void allow_for_containers() {
  char from = 1;
  char into = 0;
  const iovec remote{&from, 1};
  const iovec local{&into, 1};
  if (::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == 1) return;
  ::setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);  // Open MPI 4
  ::setenv("OMPI_MCA_smsc", "^cma", 0);                             // Open MPI 5
}

void initialise(MpiJob& job) {
  int initialized = 0;
  MPI_Initialized(&initialized);
  require(initialized == 0, ExitCode::internal, "mpi", "a second session in one process");
  allow_for_containers();
  int level = 0;
  job.check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &level), "MPI_Init_thread");
  require(level >= MPI_THREAD_SERIALIZED, ExitCode::ranks, "mpi",
          "this MPI library allows calls from one thread only (level {}), expected "
          "MPI_THREAD_MULTIPLE or MPI_THREAD_SERIALIZED",
          level);
  job.serialized = level < MPI_THREAD_MULTIPLE;
  job.check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

std::vector<Roster::Member> gather_hosts(MpiJob& job, int ranks) {
  constexpr std::size_t width = 256;
  std::string mine = this_host();
  mine.resize(width);
  std::vector<char> all(width * static_cast<std::size_t>(ranks));
  job.check(
      MPI_Allgather(mine.data(), width, MPI_CHAR, all.data(), width, MPI_CHAR, MPI_COMM_WORLD),
      "MPI_Allgather");
  std::vector<Roster::Member> members;
  for (std::size_t rank = 0; rank < static_cast<std::size_t>(ranks); ++rank) {
    members.push_back({all.data() + rank * width, nullptr});
  }
  return members;
}

// Gives each rank of this host its cell in `window`, which the ranks of `host` share.
void share_cells(MpiJob& job, MPI_Comm host, MPI_Win& window,
                 std::vector<Roster::Member>& members) {
  void* memory = nullptr;
  job.check(MPI_Win_allocate_shared(sizeof(ActivityCell), 1, MPI_INFO_NULL, host, &memory, &window),
            "MPI_Win_allocate_shared");
  new (memory) ActivityCell;
  int ranks = 0;
  job.check(MPI_Comm_size(host, &ranks), "MPI_Comm_size");
  std::vector<int> in_job(static_cast<std::size_t>(ranks));
  job.check(MPI_Allgather(&job.rank, 1, MPI_INT, in_job.data(), 1, MPI_INT, host), "MPI_Allgather");
  for (int rank = 0; rank < ranks; ++rank) {
    MPI_Aint bytes = 0;
    int unit = 0;
    job.check(MPI_Win_shared_query(window, rank, &bytes, &unit, &memory), "MPI_Win_shared_query");
    const auto member = static_cast<std::size_t>(in_job[static_cast<std::size_t>(rank)]);
    members[member].cell = static_cast<ActivityCell*>(memory);
  }
}

}  // namespace

struct MpiSession::State {
  std::shared_ptr<MpiJob> job = std::make_shared<MpiJob>();
  MpiComm host;  // the ranks of this machine
  MPI_Win window = MPI_WIN_NULL;
  std::unique_ptr<MpiCommunicator> world;
  int exceptions = std::uncaught_exceptions();
};

MpiSession::MpiSession() : state_(std::make_unique<State>()) {
  MpiJob& job = *state_->job;
  initialise(job);
  int ranks = 0;
  job.check(MPI_Comm_rank(MPI_COMM_WORLD, &job.rank), "MPI_Comm_rank");
  job.check(MPI_Comm_size(MPI_COMM_WORLD, &ranks), "MPI_Comm_size");
  std::vector<Roster::Member> members = gather_hosts(job, ranks);
  MPI_Comm host = MPI_COMM_NULL;
  job.check(
      MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, job.rank, MPI_INFO_NULL, &host),
      "MPI_Comm_split_type");
  state_->host = MpiComm(host);
  share_cells(job, host, state_->window, members);
  job.roster = std::make_unique<Roster>(std::move(members));
  std::vector<int> all;
  for (int rank = 0; rank < ranks; ++rank) all.push_back(rank);
  MPI_Comm world = MPI_COMM_NULL;
  job.check(MPI_Comm_dup(MPI_COMM_WORLD, &world), "MPI_Comm_dup");
  state_->world = std::make_unique<MpiCommunicator>(state_->job, MpiComm(world), std::move(all));
}

// MPI_Finalize waits for all ranks, for ever: so only after a barrier that has a deadline, and not
// after an error.
MpiSession::~MpiSession() {
  MpiJob& job = *state_->job;
  bool well = !job.broken.load() && std::uncaught_exceptions() <= state_->exceptions;
  try {
    if (well) state_->world->barrier();
  } catch (const std::exception& error) {
    well = false;
    log_warning("leaving without the other ranks: {}", error.what());
  }
  if (!well) {
    job.broken.store(true);
    state_->host.release();
    return;
  }
  state_->world.reset();
  MPI_Win_free(&state_->window);
  state_->host.reset();
  MPI_Finalize();
}

std::unique_ptr<Communicator> MpiSession::world() {
  return state_->world->duplicate();
}

}  // namespace convoy
