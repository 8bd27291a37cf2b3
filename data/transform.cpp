#include "data/transform.h"

#include <optional>

#include "data/canvas.h"
#include "ops/core/check.h"
#include "ops/core/random.h"

namespace convoy {
namespace {

// What a transform makes of the size of an image. Error(config) for settings out of range.
struct SizeAfter {
  std::optional<Size> in;  // none: differs from image to image

  std::optional<Size> operator()(const Resize& resize) const {
    require(resize.size > 0, ExitCode::config, "resize", "size is {}, above 0 expected",
            resize.size);
    if (!in) return std::nullopt;
    return size_after(resize, *in);
  }
  std::optional<Size> operator()(const ResizeExact& resize) const {
    require(resize.height > 0 && resize.width > 0, ExitCode::config, "resize",
            "size is {} x {}, above 0 expected", resize.height, resize.width);
    return Size{resize.height, resize.width};
  }
  std::optional<Size> operator()(const CenterCrop& crop) const {
    require(crop.size > 0, ExitCode::config, "centre crop", "size is {}, above 0 expected",
            crop.size);
    return Size{crop.size, crop.size};
  }
  std::optional<Size> operator()(const PadAndCrop& crop) const {
    require(crop.size > 0 && crop.pad >= 0 && crop.pad <= crop.size, ExitCode::config,
            "pad and crop", "size is {} and padding {}, above 0 and 0 to size expected", crop.size,
            crop.pad);
    return Size{crop.size, crop.size};
  }
  std::optional<Size> operator()(const HorizontalFlip& flip) const {
    require(flip.probability >= 0 && flip.probability <= 1, ExitCode::config, "horizontal flip",
            "probability is {}, 0 to 1 expected", flip.probability);
    return in;
  }
  std::optional<Size> operator()(const RandomResizedCrop& crop) const {
    require(crop.size > 0, ExitCode::config, "random resized crop", "size is {}, above 0 expected",
            crop.size);
    require(crop.min_area > 0 && crop.min_area <= crop.max_area && crop.max_area <= 1,
            ExitCode::config, "random resized crop",
            "area is {} to {} of the image, above 0, ascending and at most 1 expected",
            crop.min_area, crop.max_area);
    require(crop.min_ratio > 0 && crop.min_ratio <= crop.max_ratio, ExitCode::config,
            "random resized crop", "ratio is {} to {}, above 0 and ascending expected",
            crop.min_ratio, crop.max_ratio);
    return Size{crop.size, crop.size};
  }
  std::optional<Size> operator()(const Cutout& cutout) const {
    require(cutout.size > 0, ExitCode::config, "cutout", "size is {}, above 0 expected",
            cutout.size);
    return in;
  }
};

bool moves_pixels(const Transform& transform) {
  return !std::holds_alternative<Cutout>(transform);
}

// Does a transform to what the canvas shows.
class Apply {
 public:
  Apply(Canvas& canvas, const DrawKey& key, std::string_view place)
      : canvas_(canvas),
        place_(place),
        crop_draws_(key.seed, RandomUse::crop, key.sample_id, key.epoch),
        flip_draws_(key.seed, RandomUse::flip, key.sample_id, key.epoch),
        cutout_draws_(key.seed, RandomUse::cutout, key.sample_id, key.epoch) {}

  void operator()(const Resize& transform) {
    const Size size = size_after(transform, {canvas_.height(), canvas_.width()});
    require_image_size(size.height, size.width, place_);
    canvas_.resize(static_cast<int>(size.height), static_cast<int>(size.width));
  }
  void operator()(const ResizeExact& transform) {
    canvas_.resize(transform.height, transform.width);
  }
  void operator()(const CenterCrop& transform) {
    canvas_.crop(centre_offset(canvas_.height(), transform.size),
                 centre_offset(canvas_.width(), transform.size), transform.size, transform.size);
  }
  void operator()(const PadAndCrop& transform) {
    const int rows = canvas_.height() + 2 * transform.pad - transform.size + 1;
    const int columns = canvas_.width() + 2 * transform.pad - transform.size + 1;
    require(rows > 0 && columns > 0, ExitCode::data, place_,
            "{} x {} pixels padded by {} are smaller than the crop of {}", canvas_.height(),
            canvas_.width(), transform.pad, transform.size);
    const int top = static_cast<int>(crop_draws_.below(rows)) - transform.pad;
    const int left = static_cast<int>(crop_draws_.below(columns)) - transform.pad;
    canvas_.crop(top, left, transform.size, transform.size);
  }
  void operator()(const HorizontalFlip& transform) {
    if (flip_draws_.uniform() < transform.probability) canvas_.flip();
  }
  void operator()(const RandomResizedCrop& transform) {
    const Rect part = random_part(transform, canvas_.height(), canvas_.width(), crop_draws_);
    canvas_.crop(part.top, part.left, part.height, part.width);
    canvas_.resize(transform.size, transform.size);
  }
  void operator()(const Cutout& transform) {
    const int y = static_cast<int>(cutout_draws_.below(canvas_.height())) - transform.size / 2;
    const int x = static_cast<int>(cutout_draws_.below(canvas_.width())) - transform.size / 2;
    canvas_.cut_out({y, x, transform.size, transform.size});
  }

 private:
  Canvas& canvas_;
  std::string_view place_;
  Random crop_draws_;
  Random flip_draws_;
  Random cutout_draws_;
};

}  // namespace

Shape Pipeline::output_shape(std::uint32_t height, std::uint32_t width) const {
  require(channels == 1 || channels == 3, ExitCode::config, "channels", "is {}, 1 or 3 expected",
          channels);
  for (int c = 0; c < channels; ++c) {
    require(normalize.std[c] > 0, ExitCode::config, "normalize",
            "standard deviation is {}, above 0 expected", normalize.std[c]);
  }
  std::optional<Size> size;
  if (height > 0 && width > 0) size = Size{height, width};
  bool cut_out = false;
  for (const Transform& transform : transforms) {
    require(!cut_out || !moves_pixels(transform), ExitCode::config, "transforms",
            "move pixels after a cutout, expected it behind all others");
    cut_out |= !moves_pixels(transform);
    size = std::visit(SizeAfter{size}, transform);
  }
  require(size.has_value(), ExitCode::config, "transforms",
          "leave images of different sizes; expected one that fixes it, such as a crop");
  require(size->height <= max_image_side && size->width <= max_image_side &&
              size->height * size->width <= max_image_pixels,
          ExitCode::config, "transforms",
          "make images of {} x {} pixels, at most {} Mi pixels expected", size->height, size->width,
          max_image_pixels >> 20);
  return {channels, size->height, size->width};
}

void apply(const Pipeline& pipeline, ImageSource& image, const DrawKey& key, std::string_view place,
           const Shape& out_shape, TransformScratch& scratch, std::span<std::byte> out) {
  Canvas canvas(image, pipeline.channels, pipeline.whole_decode, scratch.canvas);
  Apply apply_to(canvas, key, place);
  for (const Transform& transform : pipeline.transforms) std::visit(apply_to, transform);
  require(canvas.height() == out_shape[1] && canvas.width() == out_shape[2], ExitCode::data, place,
          "is {} x {} pixels after all transforms, {} x {} expected", canvas.height(),
          canvas.width(), out_shape[1], out_shape[2]);
  canvas.write(pipeline.normalize, pipeline.format, out);
}

}  // namespace convoy
