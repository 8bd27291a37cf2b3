// Erasing: the transforms that blank out a part of an image once it is normalised. They come after
// all others.
#pragma once

#include <optional>

#include "data/geometry.h"
#include "ops/core/random.h"

namespace convoy {

// A square of `size` around a random pixel, cut off at the border, becomes the mean colour: DeVries
// and Taylor, "Improved regularization of convolutional neural networks with cutout" (2017).
struct Cutout {
  int size = 8;
};

// A box of random area (a share of the image's) and ratio of height to width becomes `value`, in
// units of the normalised image, or noise: Zhong et al., "Random erasing data augmentation" (2017).
// Ten tries, then none.
struct RandomErasing {
  float probability = 0.5f;
  float min_area = 0.02f;
  float max_area = 0.33f;
  float min_ratio = 0.3f;
  float max_ratio = 3.3f;
  float value = 0;
  bool noise = false;  // each value of its own from the standard normal distribution
};

// What goes of `height` x `width` pixels; of a cutout it may stick out.
Rect draw(const Cutout& cutout, int height, int width, Random& draws);
std::optional<Rect> draw(const RandomErasing& erasing, int height, int width, Random& draws);

}  // namespace convoy
