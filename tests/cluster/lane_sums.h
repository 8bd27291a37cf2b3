// Gradients of lanes, their sum along the fixed tree by its definition, and a step of a rank's
// worker threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cluster/reducer.h"

namespace convoy::test {

std::vector<std::uint32_t> bits(std::span<const float> values);

// Of the sum over all lanes of the gradients that run_step() makes.
std::vector<std::uint32_t> expected_bits(int step, int lanes, std::size_t floats);

// One step: each worker serves its lanes and reports every `stride` floats. Does not wait().
void run_step(Reducer& reducer, int workers, int step, std::size_t stride);

// Steps after the first ones allocate nothing. Needs tests/support/allocations.cpp.
void expect_no_allocation(Communicator& communicator);

}  // namespace convoy::test
