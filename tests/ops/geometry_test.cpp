// Paddings by name, and sizes rounded up.
#include "ops/geometry.h"

#include <gtest/gtest.h>

namespace convoy {
namespace {

std::int64_t outputs(int in, Padding pad, int kernel, int stride, int dilation = 1) {
  return window_outputs("test", in, pad.top, pad.bottom, kernel, stride, dilation);
}

TEST(Padding, SameKeepsTheSizeDividedByTheStride) {
  for (int in = 1; in <= 12; ++in) {
    for (int kernel = 1; kernel <= 7; ++kernel) {
      for (int stride = 1; stride <= 4; ++stride) {
        for (int dilation = 1; dilation <= 2; ++dilation) {
          const Padding pad = same_padding(in, kernel, stride, dilation);
          EXPECT_EQ(outputs(in, pad, kernel, stride, dilation), (in + stride - 1) / stride);
          EXPECT_TRUE(pad.bottom == pad.top || pad.bottom == pad.top + 1);
        }
      }
    }
  }
}

// As TensorFlow pads: at stride 2 an even size gets nothing before and one row after.
TEST(Padding, SamePutsTheOddRowAtTheEnd) {
  EXPECT_EQ(same_padding(8, 3, 2), Padding(0, 0, 1, 1));
  EXPECT_EQ(same_padding(7, 3, 2), Padding(1));
  EXPECT_EQ(same_padding({224, 7}, {7, 2}, {2, 1}), Padding(2, 0, 3, 1));
  EXPECT_EQ(same_padding(8, 1, 2), Padding(0));
}

TEST(Padding, ValidAndFull) {
  EXPECT_EQ(valid_padding(), Padding(0));
  EXPECT_EQ(full_padding({3, 2}), Padding(2, 1, 2, 1));
  EXPECT_EQ(full_padding(3, 2), Padding(4));
  EXPECT_EQ(outputs(5, full_padding(3), 3, 1), 7);
}

TEST(Windows, ALastOneBeginsInsideTheInput) {
  EXPECT_EQ(window_outputs_ceil("test", 112, 0, 0, 3, 2), 56);
  EXPECT_EQ(window_outputs_ceil("test", 13, 0, 0, 3, 2), 6);
  EXPECT_EQ(window_outputs_ceil("test", 6, 1, 1, 3, 2), 4);
  EXPECT_EQ(window_outputs_ceil("test", 6, 0, 0, 2, 3), 2);
  EXPECT_EQ(window_outputs_ceil("test", 2, 1, 1, 2, 2), 2);
  EXPECT_EQ(window_outputs_ceil("test", 1, 0, 1, 1, 2), 1);  // the second would lie in the padding
}

}  // namespace
}  // namespace convoy
