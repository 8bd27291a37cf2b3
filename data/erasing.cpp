#include "data/erasing.h"

#include <cmath>

namespace convoy {

Rect draw(const Cutout& cutout, int height, int width, Random& draws) {
  const int y = static_cast<int>(draws.below(height)) - cutout.size / 2;
  const int x = static_cast<int>(draws.below(width)) - cutout.size / 2;
  return {y, x, cutout.size, cutout.size};
}

// torchvision's RandomErasing.get_params.
std::optional<Rect> draw(const RandomErasing& erasing, int height, int width, Random& draws) {
  if (draws.uniform() >= erasing.probability) return std::nullopt;
  const double area = static_cast<double>(height) * width;
  const float low = std::log(erasing.min_ratio), high = std::log(erasing.max_ratio);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double wanted = area * draws.uniform(erasing.min_area, erasing.max_area);
    const double ratio = std::exp(double{draws.uniform(low, high)});
    const int h = static_cast<int>(std::nearbyint(std::sqrt(wanted * ratio)));
    const int w = static_cast<int>(std::nearbyint(std::sqrt(wanted / ratio)));
    if (h >= height || w >= width) continue;
    const int top = static_cast<int>(draws.below(height - h + 1));
    const int left = static_cast<int>(draws.below(width - w + 1));
    return Rect{top, left, h, w};
  }
  return std::nullopt;
}

}  // namespace convoy
