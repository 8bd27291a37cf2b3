// Transforms of pixels by name and plain numbers, as golden/compare_transforms.py lists them.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/affine.h"
#include "data/color.h"
#include "data/rand_augment.h"

namespace convoy::test {

using Numbers = std::vector<double>;

// n: which, magnitude, bins, sign
inline void augment_by_number(Image& image, const Strongest& strongest, const Numbers& n) {
  Image scratch;
  const auto which = static_cast<Augmentation>(static_cast<int>(n.at(0)));
  const double strength = strength_of(which, strongest, static_cast<int>(n.at(1)),
                                      static_cast<int>(n.at(2)), image.height, image.width);
  augment(image, which, is_signed(which) ? n.at(3) * strength : strength, scratch);
}

inline void warp_by_number(Image& image, const AffineMatrix& matrix, double interpolation) {
  Image scratch;
  warp(image, matrix, interpolation == 0 ? Interpolation::nearest : Interpolation::bilinear,
       scratch);
}

inline void affine_by_number(Image& image, const Numbers& n) {
  const AffineParameters parameters{.degrees = n.at(0),
                                    .translate_x = static_cast<int>(n.at(1)),
                                    .translate_y = static_cast<int>(n.at(2)),
                                    .scale = n.at(3),
                                    .shear_x = n.at(4),
                                    .shear_y = n.at(5)};
  warp_by_number(image, affine_matrix(parameters, image.width * 0.5, image.height * 0.5), n.at(6));
}

// Error for a name that is none.
inline void apply_by_name(const std::string& name, const Numbers& numbers, Image& image) {
  const auto factor = [](const Numbers& n) { return static_cast<float>(n.at(0)); };
  Image scratch;
  const std::map<std::string, std::function<void(Image&, const Numbers&)>> all = {
      {"brightness", [&](Image& i, const Numbers& n) { adjust_brightness(i, factor(n)); }},
      {"contrast", [&](Image& i, const Numbers& n) { adjust_contrast(i, factor(n)); }},
      {"saturation", [&](Image& i, const Numbers& n) { adjust_saturation(i, factor(n)); }},
      {"sharpness", [&](Image& i, const Numbers& n) { adjust_sharpness(i, factor(n), scratch); }},
      {"hue", [](Image& i, const Numbers& n) { adjust_hue(i, n.at(0)); }},
      {"grayscale", [](Image& i, const Numbers&) { make_colourless(i); }},
      {"posterize", [](Image& i, const Numbers& n) { posterize(i, static_cast<int>(n.at(0))); }},
      {"solarize", [](Image& i, const Numbers& n) { solarize(i, n.at(0)); }},
      {"autocontrast", [](Image& i, const Numbers&) { autocontrast(i); }},
      {"equalize", [](Image& i, const Numbers&) { equalize(i); }},
      {"rotate",
       [](Image& i, const Numbers& n) {
         warp_by_number(i, rotation(n.at(0), i.height, i.width), n.at(1));
       }},
      {"affine", affine_by_number},
      {"rand_augment",
       [](Image& i, const Numbers& n) { augment_by_number(i, rand_augment_strongest, n); }},
      {"trivial_augment",
       [](Image& i, const Numbers& n) { augment_by_number(i, trivial_augment_strongest, n); }},
  };
  all.at(name)(image, numbers);
}

}  // namespace convoy::test
