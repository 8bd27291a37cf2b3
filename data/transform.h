// Transforms: from an encoded image to the normalised pixels that the first layer reads, with
// torchvision's semantics. The random ones draw from (seed, epoch, sample id) alone. They are
// declared by family: those that only choose and move pixels in data/geometry.h, then
// data/affine.h, data/color.h, data/rand_augment.h, data/erasing.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "data/affine.h"
#include "data/canvas.h"
#include "data/color.h"
#include "data/erasing.h"
#include "data/geometry.h"
#include "data/image.h"
#include "data/rand_augment.h"
#include "ops/core/shape.h"

namespace convoy {

using Transform =
    std::variant<Resize, ResizeExact, CenterCrop, PadAndCrop, HorizontalFlip, RandomResizedCrop,
                 Cutout, VerticalFlip, RandomRotation, RandomAffine, ColorJitter, RandomGrayscale,
                 RandAugment, Lighting, RandomErasing, CornerCrop, TrivialAugment, Pad>;

// What keys the random draws of one sample.
struct DrawKey {
  std::uint64_t seed = 0;
  std::uint32_t epoch = 0;
  std::uint64_t sample_id = 0;
};

struct Pipeline {
  std::vector<Transform> transforms;
  Normalize normalize;
  // Of the output: 1 makes colour images grey by Pillow's "L", before the first transform; 3
  // repeats grey ones.
  int channels = 3;
  PixelFormat format;
  bool partial_decode = true;  // of JPEG, where only a part is seen; without: the same bits, slower

  // [channels, H, W] of the output; Error(config) unless the transforms fix a size or all samples
  // have `height` x `width`.
  Shape output_shape(std::uint32_t height, std::uint32_t width) const;
};

// A thread's scratch: reused from image to image.
struct TransformScratch {
  CanvasScratch canvas;
  Image repainted;
};

// Applies all to an image and writes what is left to `out`, of `out_shape` [C, H, W] in the
// pipeline's format. Error(data) naming `place` if the image does not end at that size.
void apply(const Pipeline& pipeline, ImageSource& image, const DrawKey& key, std::string_view place,
           const Shape& out_shape, TransformScratch& scratch, std::span<std::byte> out);

}  // namespace convoy
