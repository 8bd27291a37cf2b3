// Together: what goes wrong on one rank before or between steps becomes the same error on every
// rank, so that all of them end alike and it is said once.
#pragma once

#include <functional>

#include "cluster/communicator.h"
#include "ops/core/check.h"

namespace convoy {

// Thrown by every rank of the group at the same point, with the same text.
class SharedError : public Error {
 public:
  using Error::Error;
};

// Every rank does `work`, which must not wait for other ranks unless it fails on all of them or on
// none. SharedError if it failed anywhere: the error itself if all ranks met the same one,
// otherwise that of the lowest rank, with its name and host. Collective.
void together(Communicator& communicator, const std::function<void()>& work);

// Rank 0 does `work`; its error is everyone's SharedError. Collective.
void by_root(Communicator& communicator, const std::function<void()>& work);

}  // namespace convoy
