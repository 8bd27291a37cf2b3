// Agreement: before step one all ranks compare what must be equal (plan, configuration, data set,
// library versions, lanes).
#pragma once

#include <string>
#include <vector>

#include "cluster/communicator.h"

namespace convoy {

// One thing to agree on: a name and a text of one or many lines.
struct Claim {
  std::string name;  // "plan", "config", "dataset", "versions"
  std::string text;
};

// Collective. Error(ranks) on every rank if any claim differs, naming the ranks, their hosts, the
// claim, and the first line that differs, as found and as expected (rank 0's).
void check_agreement(Communicator& communicator, const std::vector<Claim>& claims);

}  // namespace convoy
