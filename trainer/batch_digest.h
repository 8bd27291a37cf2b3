// BatchDigest: a hash of the batches of a run of steps, to compare loaders: of runs, of machines,
// of versions. The same on any number of ranks.
#pragma once

#include <cstdint>
#include <string>

#include "cluster/communicator.h"
#include "cluster/lanes.h"
#include "data/loader.h"
#include "trainer/sample_stream.h"

namespace convoy {

struct DigestRequest {
  BatchSource& source;     // hands out this rank's slots of the steps
  const LaneSlots& slots;  // of this rank,
  LaneRange lanes;         //   which serves these
  int all_lanes = 1;
  std::uint64_t first_step = 0;
  std::uint64_t end_step = 0;
};

// 16 hexadecimal digits: of the images, labels, sample ids and soft labels of all lanes.
// Collective.
std::string batch_digest(Communicator& communicator, const DigestRequest& request);

}  // namespace convoy
