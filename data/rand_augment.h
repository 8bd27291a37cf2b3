// RandAugment: some of fourteen changes of geometry and colour, all of one strength. Cubuk et al.,
// "RandAugment: practical automated data augmentation with a reduced search space" (2020);
// torchvision's operations and strengths, nearest neighbours, zeros from outside.
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

// Of `bins` strengths the one numbered `magnitude`, in the operation's own unit.
double strength_of(Augmentation which, int magnitude, int bins, int height, int width);
// Some go either way; the sign of their strength is drawn.
bool is_signed(Augmentation which);

void augment(Image& image, Augmentation which, double strength, Image& scratch);

void augment(Image& image, const RandAugment& settings, Random& draws, Image& scratch);

}  // namespace convoy
