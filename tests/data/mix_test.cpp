// Mixing: torchvision's arithmetic, draws of the right distributions that depend on seed and step
// alone.
#include "data/mix.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace convoy {
namespace {

// Rows of four images of 1 x 2 x 3 pixels, then the first one's partner; labels of three classes.
struct Rows {
  std::vector<float> images = std::vector<float>(5 * 6);
  std::vector<std::int32_t> labels{2, 0, 0, 1, 1};
  std::vector<float> soft_labels = std::vector<float>(4 * 3, -1.0f);
  Rows() {
    for (int i = 0; i < 24; ++i) images[i] = static_cast<float>(i * i % 17) / 7.0f - 1.0f;
    std::copy_n(images.begin() + 18, 6, images.begin() + 24);  // as one lane: rolled by one
  }
  void mix(const Mix& how) { mix_rows(how, {{1, 2, 3}, images, labels, soft_labels}); }
};

// Of torchvision 0.29: MixUp(num_classes=3).transform(x, {"lam": 0.7, ...}) of the same four
// images.
TEST(Mix, BlendsAsTorchvision) {
  Rows rows;
  rows.mix({.share = 0.7});
  const std::vector<float> expected{
      -0.95714283f, -0.7285714f, -0.2142857f, 0.58571434f,  0.9428572f,   -0.1142857f,
      -0.8f,        0.54285705f, 0.47142854f, 0.68571424f,  1.1857142f,   -0.45714283f,
      -0.1142857f,  1.2428572f,  0.45714283f, -0.04285714f, -0.2571429f,  -0.9142857f,
      -0.55714285f, 0.08571434f, 0.28571427f, 0.7714286f,   -0.15714285f, -0.8f};
  const std::vector<float> targets{0.0f, 0.3f, 0.7f, 0.7f, 0.0f, 0.3f,
                                   1.0f, 0.0f, 0.0f, 0.3f, 0.7f, 0.0f};
  for (int i = 0; i < 24; ++i) EXPECT_EQ(rows.images[i], expected[i]) << i;
  EXPECT_EQ(rows.soft_labels, targets);
  EXPECT_EQ(rows.labels, (std::vector<std::int32_t>{2, 0, 0, 1, 1}));
}

// CutMix(num_classes=3).transform(x, {"box": (1, 0, 3, 2), "lam_adjusted": 1 - 4 / 6}).
TEST(Mix, PastesAsTorchvision) {
  Rows rows;
  const std::vector<float> before = rows.images;
  rows.mix({.share = 1.0 - 4.0 / 6, .box = Rect{0, 1, 2, 2}});
  for (int row = 0; row < 4; ++row) {
    for (int i = 0; i < 6; ++i) {
      const int from = i % 3 >= 1 ? (row + 3) % 4 : row;
      EXPECT_EQ(rows.images[row * 6 + i], before[from * 6 + i]);
    }
  }
  const std::vector<float> targets{0.0f, 0.6666667f, 0.33333334f, 0.33333334f,
                                   0.0f, 0.6666667f, 1.0f,        0.0f,
                                   0.0f, 0.6666667f, 0.33333334f, 0.0f};
  EXPECT_EQ(rows.soft_labels, targets);
  EXPECT_EQ(rows.labels, (std::vector<std::int32_t>{1, 2, 0, 0, 1}));  // the larger share
}

TEST(Mix, LeavesOutWhatIsMissing) {
  Rows rows;
  rows.labels = {2, -1, 0, 1, -1};
  const std::vector<float> before = rows.images;
  rows.mix({.share = 0.25});
  EXPECT_EQ(rows.soft_labels, (std::vector<float>{0, 0, 1, 0, 0, 0, 1, 0, 0, 0.75f, 0.25f, 0}));
  EXPECT_EQ(rows.labels, (std::vector<std::int32_t>{2, -1, 0, 0, -1}));
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + 18, rows.images.begin()));
}

TEST(Mix, IsOffByDefault) {
  EXPECT_FALSE(draw_mix({}, 1, 2, 8, 8).on());
  EXPECT_FALSE(draw_mix({.mixup = 1, .probability = 0}, 1, 2, 8, 8).on());
}

TEST(Mix, DrawsDependOnSeedAndStep) {
  const MixSettings settings{.mixup = 1};
  const auto share = [&](std::uint64_t seed, std::uint64_t step) {
    return draw_mix(settings, seed, step, 8, 8).share;
  };
  EXPECT_EQ(share(1, 2), share(1, 2));
  EXPECT_NE(share(1, 2), share(1, 3));
  EXPECT_NE(share(1, 2), share(2, 2));
}

// Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
TEST(Mix, SharesAreOfTheBetaDistribution) {
  for (const double alpha : {0.1, 0.2, 1.0, 3.0}) {
    constexpr int count = 20000;
    double sum = 0, squares = 0;
    for (int step = 0; step < count; ++step) {
      const double share = draw_mix({.mixup = alpha}, 5, step, 8, 8).share;
      ASSERT_TRUE(share >= 0 && share <= 1);
      sum += share;
      squares += (share - 0.5) * (share - 0.5);
    }
    EXPECT_NEAR(sum / count, 0.5, 0.015) << alpha;
    EXPECT_NEAR(squares / count * 4 * (2 * alpha + 1), 1, 0.03) << alpha;
  }
}

TEST(Mix, BoxesHoldTheirShare) {
  double pasted = 0;
  for (int step = 0; step < 4000; ++step) {
    const Mix mix = draw_mix({.cutmix = 1}, 9, step, 20, 30);
    ASSERT_TRUE(mix.box.has_value());
    const Rect& box = *mix.box;
    ASSERT_TRUE(box.top >= 0 && box.left >= 0 && box.bottom() <= 20 && box.right() <= 30);
    EXPECT_DOUBLE_EQ(mix.share, 1 - box.height * box.width / 600.0);
    pasted += 1 - mix.share;
  }
  // Half of the image on average, less what is cut off at the borders. 20,000 draws of
  // torchvision's make_params: 0.2902.
  EXPECT_NEAR(pasted / 4000, 0.2902, 0.015);
}

TEST(Mix, BothTakeTurns) {
  const MixSettings settings{.mixup = 0.2, .cutmix = 1, .probability = 0.8, .cutmix_share = 0.25};
  int none = 0, cut = 0;
  constexpr int count = 8000;
  for (int step = 0; step < count; ++step) {
    const Mix mix = draw_mix(settings, 4, step, 64, 64);
    if (mix.box) {
      ++cut;
    } else if (!mix.on()) {
      ++none;
    }
  }
  EXPECT_NEAR(none / double(count), 0.2, 0.03);  // and a few shares that round to 1
  EXPECT_NEAR(cut / double(count), 0.2, 0.02);
}

}  // namespace
}  // namespace convoy
