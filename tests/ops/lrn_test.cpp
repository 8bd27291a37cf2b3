// Local response normalisation, with PyTorch's numbers.
#include "tests/ops/hand_value.h"

namespace convoy::test {
namespace {

class LrnValues : public HandValue {};

TEST_P(LrnValues, AcrossThreeChannels) {
  const OpOutputs out = run(Lrn{.size = 3, .alpha = 0.6f, .beta = 0.75f, .k = 2}, {{1, 5, 1, 1}},
                            {.src = {{1, 2, -3, 4, 0.5f}}, .diff_dst = {{1, 2, 3, 4, 5}}});
  expect_near(out.dst, {0.43869132f, 0.61673564f, -0.64276212f, 0.92452395f, 0.14416191f});
  expect_near(out.diff_src[0], {0.31773025f, 0.52314323f, 1.12364078f, 0.42696369f, 1.34234166f});
}

INSTANTIATE_TEST_SUITE_P(Ops, LrnValues, every_backend());

}  // namespace
}  // namespace convoy::test
