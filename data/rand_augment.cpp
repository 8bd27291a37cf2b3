#include "data/rand_augment.h"

#include <cmath>
#include <numbers>

#include "data/affine.h"
#include "data/color.h"

namespace convoy {
namespace {

// torch.linspace in float32: from both ends to the middle.
float spaced(float first, float last, int magnitude, int bins) {
  if (bins == 1) return first;
  const float step = (last - first) / static_cast<float>(bins - 1);
  if (magnitude < bins / 2) return first + step * static_cast<float>(magnitude);
  return last - step * static_cast<float>(bins - magnitude - 1);
}

double degrees_of_slope(double slope) {
  return std::atan(slope) * (180 / std::numbers::pi);
}

}  // namespace

double strength_of(Augmentation which, const Strongest& strongest, int magnitude, int bins,
                   int height, int width) {
  const auto up_to = [&](double last) {
    return double{spaced(0, static_cast<float>(last), magnitude, bins)};
  };
  const auto shift_up_to = [&](int side) {
    return up_to(strongest.pixels > 0 ? strongest.pixels : strongest.share * side);
  };
  switch (which) {
    case Augmentation::shear_x:
    case Augmentation::shear_y:
      return up_to(strongest.slope);
    case Augmentation::translate_x:
      return shift_up_to(width);
    case Augmentation::translate_y:
      return shift_up_to(height);
    case Augmentation::rotate:
      return up_to(strongest.degrees);
    case Augmentation::brightness:
    case Augmentation::color:
    case Augmentation::contrast:
    case Augmentation::sharpness:
      return up_to(strongest.enhancement);
    case Augmentation::posterize:
      return 8 - std::nearbyint(static_cast<float>(magnitude) /
                                static_cast<float>((bins - 1) / strongest.bits));
    case Augmentation::solarize:
      return spaced(255, 0, magnitude, bins);
    case Augmentation::identity:
    case Augmentation::autocontrast:
    case Augmentation::equalize:
      break;
  }
  return 0;
}

bool is_signed(Augmentation which) {
  return which >= Augmentation::shear_x && which <= Augmentation::sharpness;
}

void augment(Image& image, Augmentation which, double strength, Image& scratch) {
  const auto move = [&](const AffineMatrix& matrix) {
    warp(image, matrix, Interpolation::nearest, scratch);
  };
  const auto shift = [&](int x, int y) {
    move(
        affine_matrix({.translate_x = x, .translate_y = y}, image.width * 0.5, image.height * 0.5));
  };
  const auto factor = static_cast<float>(1.0 + strength);
  switch (which) {
    case Augmentation::identity:
      return;
    case Augmentation::shear_x:
      return move(affine_matrix({.shear_x = degrees_of_slope(strength)}, 0, 0));
    case Augmentation::shear_y:
      return move(affine_matrix({.shear_y = degrees_of_slope(strength)}, 0, 0));
    case Augmentation::translate_x:
      return shift(static_cast<int>(strength), 0);
    case Augmentation::translate_y:
      return shift(0, static_cast<int>(strength));
    case Augmentation::rotate:
      return move(rotation(strength, image.height, image.width));
    case Augmentation::brightness:
      return adjust_brightness(image, factor);
    case Augmentation::color:
      return adjust_saturation(image, factor);
    case Augmentation::contrast:
      return adjust_contrast(image, factor);
    case Augmentation::sharpness:
      return adjust_sharpness(image, factor, scratch);
    case Augmentation::posterize:
      return posterize(image, static_cast<int>(strength));
    case Augmentation::solarize:
      return solarize(image, strength);
    case Augmentation::autocontrast:
      return autocontrast(image);
    case Augmentation::equalize:
      return equalize(image);
  }
}

void augment(Image& image, const RandAugment& settings, Random& draws, Image& scratch) {
  for (int i = 0; i < settings.ops; ++i) {
    const auto which = static_cast<Augmentation>(draws.below(augmentations));
    const double strength = strength_of(which, rand_augment_strongest, settings.magnitude,
                                        settings.bins, image.height, image.width);
    const bool negative = is_signed(which) && draws.below(2) == 1;
    augment(image, which, negative ? -strength : strength, scratch);
  }
}

void augment(Image& image, const TrivialAugment& settings, Random& draws, Image& scratch) {
  const auto which = static_cast<Augmentation>(draws.below(augmentations));
  const auto magnitude = static_cast<int>(draws.below(settings.bins));
  const double strength = strength_of(which, trivial_augment_strongest, magnitude, settings.bins,
                                      image.height, image.width);
  const bool negative = is_signed(which) && draws.below(2) == 1;
  augment(image, which, negative ? -strength : strength, scratch);
}

}  // namespace convoy
