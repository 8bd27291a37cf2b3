// HandValue: a small example of an op, worked out by hand, on every backend.
#pragma once

#include <gtest/gtest.h>

#include "tests/ops/op_harness.h"

namespace convoy::test {

// Its parameter is a backend's name.
class HandValue : public testing::TestWithParam<const char*> {
 protected:
  // One diff_dst may be left out, or both in inference.
  OpOutputs run(const Op& op, const std::vector<Shape>& shapes, OpInputs inputs,
                Mode mode = Mode::training) {
    OpHarness harness(*backend_, op, shapes, {.mode = mode});
    inputs.diff_dst.resize(2);
    for (std::vector<float>& diff_dst : inputs.diff_dst) {
      diff_dst.resize(static_cast<std::size_t>(output_shape(op, "case", shapes).elements()));
    }
    OpOutputs outputs = harness.run(inputs);
    EXPECT_EQ(harness.misdeeds(), "");
    return outputs;
  }

  static void expect_near(const std::vector<float>& found, const std::vector<float>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-6) << i;
  }

  std::unique_ptr<Backend> backend_ = make_backend(GetParam());
};

inline auto every_backend() {
  return testing::Values("reference", "onednn");
}

}  // namespace convoy::test
