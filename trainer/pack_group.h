// Pack group: the ranks of a communicator as those who write a split together.
#pragma once

#include "cluster/communicator.h"
#include "data/split_files.h"
#include "trainer/together.h"

namespace convoy {

// Alone if it is of one rank. `communicator` must outlive it.
inline PackGroup group_of(Communicator& communicator) {
  if (communicator.size() == 1) return {};
  return {.rank = communicator.rank(),
          .size = communicator.size(),
          .together = [&](const PackGroup::Work& work) { together(communicator, work); },
          .gather = [&](std::string_view mine) { return communicator.all_gather_text(mine); }};
}

}  // namespace convoy
