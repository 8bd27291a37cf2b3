// Transforms of small images, for tests.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "data/transform.h"

namespace convoy::test {

// Pixel values come through unchanged.
inline constexpr Normalize identity{{0, 0, 0}, {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}};

struct Result {
  Shape shape;
  std::vector<float> values;
  int at(int c, int y, int x) const {
    return static_cast<int>(std::lround(values[(c * shape[1] + y) * shape[2] + x]));
  }
};

inline Result run(const Pipeline& pipeline, const Image& image, const DrawKey& key = {}) {
  TransformScratch scratch;
  const Shape shape = pipeline.output_shape(image.height, image.width);
  Result result{shape, std::vector<float>(shape.elements(), -1e9f)};
  PixelsInMemory source(view_of(image));
  apply(pipeline, source, key, "here", shape, scratch,
        std::as_writable_bytes(std::span(result.values)));
  return result;
}

// Value of pixel (y, x), channel c: 10 y + x + 100 c.
inline Image ramp(int height, int width, int channels) {
  Image image;
  image.reshape(height, width, channels);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.pixels[(y * width + x) * channels + c] =
            static_cast<std::uint8_t>(10 * y + x + 100 * c);
      }
    }
  }
  return image;
}

}  // namespace convoy::test
