// RandAugment: some of fourteen changes of geometry and colour, all of one strength. Cubuk et al.,
// "RandAugment: practical automated data augmentation with a reduced search space" (2020).
// TrivialAugment: one of the same, of any strength. Mueller and Hutter, "TrivialAugment:
// tuning-free yet state-of-the-art data augmentation" (2021). Operations and strengths are
// torchvision's, with nearest neighbours, and zeros from outside.
#pragma once

#include <string_view>

#include "data/image.h"
#include "ops/core/random.h"

namespace convoy {

struct RandAugment {
  int ops = 2;        // changes per image
  int magnitude = 9;  // strength, below `bins`
  int bins = 31;
};

// torchvision's TrivialAugmentWide.
struct TrivialAugment {
  int bins = 31;
};

enum class Augmentation {
  identity,
  shear_x,
  shear_y,
  translate_x,
  translate_y,
  rotate,
  brightness,
  color,
  contrast,
  sharpness,
  posterize,
  solarize,
  autocontrast,
  equalize,
};
inline constexpr int augmentations = 14;

// What the last of the strengths is.
struct Strongest {
  double slope;   // of shears
  double pixels;  // of translations; 0: this share of the side
  double share;
  double degrees;
  double enhancement;  // of brightness, colour, contrast, sharpness, beside 1
  double bits;         // that posterize takes away
};
inline constexpr Strongest rand_augment_strongest{0.3, 0, 150.0 / 331.0, 30, 0.9, 4};
inline constexpr Strongest trivial_augment_strongest{0.99, 32, 0, 135, 0.99, 6};

// Of `bins` strengths the one numbered `magnitude`, in the operation's own unit.
double strength_of(Augmentation which, const Strongest& strongest, int magnitude, int bins,
                   int height, int width);
// Some go either way; the sign of their strength is drawn.
bool is_signed(Augmentation which);

void augment(Image& image, Augmentation which, double strength, Image& scratch);

void augment(Image& image, const RandAugment& settings, Random& draws, Image& scratch);
void augment(Image& image, const TrivialAugment& settings, Random& draws, Image& scratch);

}  // namespace convoy
