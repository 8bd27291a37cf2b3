// Geometry: the transforms that choose which pixels are seen and at which size, and their
// arithmetic without any pixels. torchvision's, to the last pixel.
#pragma once

#include <cstdint>

#include "data/image.h"
#include "ops/core/random.h"

namespace convoy {

// Shorter side to `size`, Pillow's antialiased bilinear to the last bit.
struct Resize {
  int size = 256;
};
// Both sides, without keeping the ratio.
struct ResizeExact {
  int height = 32;
  int width = 32;
};
struct CenterCrop {
  int size = 224;
};
// What lies beyond an image: zeros, the nearest pixel, or the image mirrored, without its outermost
// pixel again (reflect, of fewer pixels than the image has) or with it (symmetric).
enum class PadMode { constant, edge, reflect, symmetric };
// `size` pixels on each side.
struct Pad {
  int size = 4;
  PadMode mode = PadMode::constant;
};
// `pad` pixels on each side, then a random crop of `size` (RandomCrop(size, padding=pad)).
struct PadAndCrop {
  int size = 32;
  int pad = 4;
  PadMode mode = PadMode::constant;
};
// One of FiveCrop's. An image that is smaller is an error.
enum class Corner { top_left, top_right, bottom_left, bottom_right, center };
struct CornerCrop {
  int size = 224;
  Corner corner = Corner::top_left;
};
struct HorizontalFlip {
  float probability = 0.5f;
  // A sample is drawn once, and from epoch to epoch takes turns: two epochs in a row show it both
  // ways. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU" (2024), section 3.6.
  bool alternate = false;
};
struct VerticalFlip {
  float probability = 0.5f;
};

// A crop of random area (a share of the image's) and ratio of width to height, resized to `size` x
// `size`: Szegedy et al., "Going deeper with convolutions" (2015). Ten tries, then the centre.
struct RandomResizedCrop {
  int size = 224;
  float min_area = 0.08f;
  float max_area = 1.0f;
  float min_ratio = 3.0f / 4;
  float max_ratio = 4.0f / 3;
};

struct Size {
  std::int64_t height = 0;
  std::int64_t width = 0;
};

// The longer side is truncated.
Size size_after(const Resize& resize, Size in);

// Where a crop of `size` begins: half the surplus, halves rounded to even as Python's round() does;
// before the image where that is smaller (torchvision pads `(size - extent) / 2` in front).
int centre_offset(int extent, int size);

// Where the pixel comes from that padding shows at `at`, before 0 or from `extent` on, when it
// repeats or mirrors.
int padding_source(PadMode mode, int at, int extent);

// What a corner crop cuts out of `height` x `width` pixels that hold it.
Rect part_of(const CornerCrop& crop, int height, int width);

// What RandomResizedCrop cuts out of `height` x `width` pixels.
Rect random_part(const RandomResizedCrop& crop, int height, int width, Random& draws);

}  // namespace convoy
