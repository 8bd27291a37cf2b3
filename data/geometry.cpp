#include "data/geometry.h"

#include <algorithm>
#include <cmath>

namespace convoy {

Size size_after(const Resize& resize, Size in) {
  if (in.width <= in.height) return {resize.size * in.height / in.width, resize.size};
  return {resize.size, resize.size * in.width / in.height};
}

int centre_offset(int extent, int size) {
  const int surplus = extent - size;
  if (surplus < 0) return -(-surplus / 2);
  const int half = surplus / 2;
  return surplus % 2 != 0 && half % 2 != 0 ? half + 1 : half;
}

int padding_source(PadMode mode, int at, int extent) {
  if (mode == PadMode::edge) return std::clamp(at, 0, extent - 1);
  const int again = mode == PadMode::symmetric ? 1 : 0;  // the outermost pixel
  if (at < 0) return -at - again;
  return at < extent ? at : 2 * (extent - 1) - at + again;
}

Rect part_of(const CornerCrop& crop, int height, int width) {
  const int size = crop.size;
  switch (crop.corner) {
    case Corner::top_left:
      return {0, 0, size, size};
    case Corner::top_right:
      return {0, width - size, size, size};
    case Corner::bottom_left:
      return {height - size, 0, size, size};
    case Corner::bottom_right:
      return {height - size, width - size, size, size};
    case Corner::center:
      break;
  }
  return {centre_offset(height, size), centre_offset(width, size), size, size};
}

// torchvision's RandomResizedCrop.get_params.
Rect random_part(const RandomResizedCrop& crop, int height, int width, Random& draws) {
  const double area = static_cast<double>(height) * width;
  const float low = std::log(crop.min_ratio), high = std::log(crop.max_ratio);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double wanted = area * draws.uniform(crop.min_area, crop.max_area);
    const double ratio = std::exp(double{draws.uniform(low, high)});
    const int w = static_cast<int>(std::nearbyint(std::sqrt(wanted * ratio)));
    const int h = static_cast<int>(std::nearbyint(std::sqrt(wanted / ratio)));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const int top = static_cast<int>(draws.below(height - h + 1));
    const int left = static_cast<int>(draws.below(width - w + 1));
    return {top, left, h, w};
  }
  const double ratio = static_cast<double>(width) / height;
  int w = width, h = height;
  if (ratio < crop.min_ratio) {
    h = static_cast<int>(std::nearbyint(width / double{crop.min_ratio}));
  } else if (ratio > crop.max_ratio) {
    w = static_cast<int>(std::nearbyint(height * double{crop.max_ratio}));
  }
  return {(height - h) / 2, (width - w) / 2, h, w};
}

}  // namespace convoy
