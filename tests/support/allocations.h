// How often the program has called operator new, for tests that allow no allocation. Linking
// allocations.cpp replaces that operator.
#pragma once

#include <cstdint>

namespace convoy {

std::int64_t allocations();

}  // namespace convoy
