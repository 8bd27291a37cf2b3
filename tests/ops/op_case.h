// OpCase: an op, its inputs, and how exactly every backend must compute it.
#pragma once

#include <string>
#include <vector>

#include "ops/op.h"

namespace convoy::test {

struct OpCase {
  std::string name;  // of letters, digits and underscores
  Op op;
  std::vector<Shape> inputs;
  // Greatest error of a backend's float32 result, relative to the largest magnitude of the
  // reference's.
  double tolerance = 1e-5;
  float spread = 1;  // sources are that many times as far from zero
  bool soft_labels = false;
  bool coarse = false;  // inputs and parameters are multiples of 1/32, which bf16 holds exactly
};

}  // namespace convoy::test
