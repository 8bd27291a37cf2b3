// Stands in for cluster/mpi where MPI is absent.
#include "cluster/communicator.h"
#include "ops/core/check.h"

namespace convoy {

struct MpiSession::State {};

MpiSession::MpiSession() {
  fail(ExitCode::usage, "mpi", "built without MPI: one rank per job only");
}

MpiSession::~MpiSession() = default;

std::unique_ptr<Communicator> MpiSession::world() {
  return nullptr;
}

}  // namespace convoy
