// Transforms: from a decoded image to the normalised floats that the first layer reads, with
// torchvision's semantics. The random ones draw from (seed, epoch, sample id) alone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "data/image.h"
#include "data/resize.h"
#include "ops/core/shape.h"

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
// `pad` zero pixels on each side, then a random crop of `size` (RandomCrop(size, padding=pad)).
struct PadAndCrop {
  int size = 32;
  int pad = 4;
};
struct HorizontalFlip {
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
// A square of `size` around a random pixel, cut off at the border, becomes the mean colour: DeVries
// and Taylor, "Improved regularization of convolutional neural networks with cutout" (2017). Moves
// nothing, and must come after all that does.
struct Cutout {
  int size = 8;
};

using Transform = std::variant<Resize, ResizeExact, CenterCrop, PadAndCrop, HorizontalFlip,
                               RandomResizedCrop, Cutout>;

// What keys the random draws of one sample.
struct DrawKey {
  std::uint64_t seed = 0;
  std::uint32_t epoch = 0;
  std::uint64_t sample_id = 0;
};

// (u8 / 255 - mean) / std in float32, per channel.
struct Normalize {
  std::array<float, 3> mean{0, 0, 0};
  std::array<float, 3> std{1, 1, 1};
  bool operator==(const Normalize&) const = default;
};

struct Pipeline {
  std::vector<Transform> transforms;
  Normalize normalize;
  // Of the output: 1 makes colour images grey by Pillow's "L", before the first transform; 3
  // repeats grey ones.
  int channels = 3;

  // [channels, H, W] of the output; Error(config) unless the transforms fix a size or all samples
  // have `height` x `width`.
  Shape output_shape(std::uint32_t height, std::uint32_t width) const;
};

// Pixels of an image; may stick out of it.
struct Rect {
  int top, left, height, width;
  int bottom() const { return top + height; }
  int right() const { return left + width; }
};

// A thread's scratch: reused from image to image.
struct TransformScratch {
  Image image;
  ResizeScratch resize;
  std::vector<Rect> holes;
  std::optional<Normalize> tables_of;
  std::array<std::array<float, 256>, 3> tables{};  // what each pixel value becomes, per channel
};

// Applies all to `image` (consumed) and writes planar floats [C, H, W]. Error(data) naming `place`
// if the image does not end at the size of `out_shape`.
void apply(const Pipeline& pipeline, Image& image, const DrawKey& key, std::string_view place,
           const Shape& out_shape, TransformScratch& scratch, std::span<float> out);

}  // namespace convoy
