// What every communicator must do, whatever its member: checks that all its ranks make together.
#pragma once

#include <vector>

#include "cluster/communicator.h"

namespace convoy::test {

struct CommunicatorCase {
  const char* name;
  void (*check)(Communicator&);
};

const std::vector<CommunicatorCase>& communicator_cases();

}  // namespace convoy::test
