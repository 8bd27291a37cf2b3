// Where the time of a step goes: by class of operator, held against the machine's roofline.
#pragma once

#include <string>

#include "ops/executor.h"

namespace convoy {

// One JSON array; per class of operator (convolutions by kernel size, batch-norm, ...):
//   {"kind", "forward_ms", "backward_ms", "gflop", "gigabytes"}
// for one micro-batch: milliseconds by `seconds`, summed over `calls`; arithmetic of all passes, a
// multiply-add counted as two; and the bytes that the passes must read and write when each streams
// its tensors once (batch-norm, which needs its statistics first, twice).
std::string profile_json(const Plan& plan, const StepSeconds& seconds, int calls);

}  // namespace convoy
