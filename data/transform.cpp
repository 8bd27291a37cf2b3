#include "data/transform.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "data/canvas.h"
#include "ops/core/check.h"
#include "ops/core/random.h"

namespace convoy {
namespace {

// What a transform makes of the size of an image. Error(config) for settings out of range.
struct SizeAfter {
  std::optional<Size> in;  // none: differs from image to image
  const Pipeline& pipeline;

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
  std::optional<Size> operator()(const CornerCrop& crop) const {
    require(crop.size > 0, ExitCode::config, "corner crop", "size is {}, above 0 expected",
            crop.size);
    return Size{crop.size, crop.size};
  }
  std::optional<Size> operator()(const PadAndCrop& crop) const {
    require(crop.size > 0 && crop.pad >= 0 && crop.pad <= crop.size, ExitCode::config,
            "pad and crop", "size is {} and padding {}, above 0 and 0 to size expected", crop.size,
            crop.pad);
    return Size{crop.size, crop.size};
  }
  std::optional<Size> operator()(const Pad& pad) const {
    require(pad.size >= 0 && pad.size <= max_image_side, ExitCode::config, "pad",
            "size is {}, 0 to {} expected", pad.size, max_image_side);
    if (!in) return in;
    return Size{in->height + 2 * pad.size, in->width + 2 * pad.size};
  }
  std::optional<Size> operator()(const HorizontalFlip& flip) const {
    return check_share("horizontal flip", flip.probability);
  }
  std::optional<Size> operator()(const VerticalFlip& flip) const {
    return check_share("vertical flip", flip.probability);
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
  std::optional<Size> operator()(const RandomRotation& rotation) const {
    require(rotation.degrees >= 0, ExitCode::config, "rotation",
            "degrees are {}, at least 0 expected", rotation.degrees);
    return in;
  }
  std::optional<Size> operator()(const RandomAffine& affine) const {
    check_share("affine", affine.translate_x);
    check_share("affine", affine.translate_y);
    require(affine.min_scale > 0 && affine.min_scale <= affine.max_scale, ExitCode::config,
            "affine", "scale is {} to {}, above 0 and ascending expected", affine.min_scale,
            affine.max_scale);
    require(std::max(std::abs(affine.shear_x), std::abs(affine.shear_y)) < 90, ExitCode::config,
            "affine", "shear is {} and {} degrees, below 90 expected", affine.shear_x,
            affine.shear_y);
    return in;
  }
  std::optional<Size> operator()(const ColorJitter& jitter) const {
    require(std::min({jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue}) >= 0 &&
                jitter.hue <= 0.5f,
            ExitCode::config, "colour jitter",
            "has a range below 0 or a hue of {}, 0 to 0.5 expected", jitter.hue);
    return in;
  }
  std::optional<Size> operator()(const RandomGrayscale& grayscale) const {
    return check_share("grayscale", grayscale.probability);
  }
  std::optional<Size> operator()(const RandAugment& settings) const {
    require(settings.ops >= 0 && settings.bins >= 2 && settings.magnitude >= 0 &&
                settings.magnitude < settings.bins,
            ExitCode::config, "RandAugment",
            "magnitude is {} of {} bins, from 0 and below their number expected",
            settings.magnitude, settings.bins);
    return in;
  }
  std::optional<Size> operator()(const TrivialAugment& settings) const {
    require(settings.bins >= 2, ExitCode::config, "TrivialAugment",
            "has {} bins, at least 2 expected", settings.bins);
    return in;
  }
  std::optional<Size> operator()(const Lighting& lighting) const {
    require(lighting.std >= 0, ExitCode::config, "lighting",
            "standard deviation is {}, at least 0 expected", lighting.std);
    require(pipeline.channels == 3 && pipeline.format.type != PixelType::u8, ExitCode::config,
            "lighting", "shifts normalised colours, but images are grey or bytes");
    return in;
  }
  std::optional<Size> operator()(const RandomErasing& erasing) const {
    require(erasing.min_area >= 0 && erasing.min_area <= erasing.max_area && erasing.max_area <= 1,
            ExitCode::config, "random erasing",
            "area is {} to {} of the image, 0 to 1 and ascending expected", erasing.min_area,
            erasing.max_area);
    require(erasing.min_ratio > 0 && erasing.min_ratio <= erasing.max_ratio, ExitCode::config,
            "random erasing", "ratio is {} to {}, above 0 and ascending expected",
            erasing.min_ratio, erasing.max_ratio);
    return check_share("random erasing", erasing.probability);
  }
  std::optional<Size> operator()(const Cutout& cutout) const {
    require(cutout.size > 0, ExitCode::config, "cutout", "size is {}, above 0 expected",
            cutout.size);
    return in;
  }

 private:
  std::optional<Size> check_share(std::string_view place, float share) const {
    require(share >= 0 && share <= 1, ExitCode::config, place,
            "probability or share is {}, 0 to 1 expected", share);
    return in;
  }
};

// What works on the normalised image comes after all that works on pixels.
bool works_on_pixels(const Transform& transform) {
  return !std::holds_alternative<Cutout>(transform) &&
         !std::holds_alternative<RandomErasing>(transform) &&
         !std::holds_alternative<Lighting>(transform);
}

void reverse_rows(Image& image) {
  const std::ptrdiff_t stride = std::ptrdiff_t(image.width) * image.channels;
  const auto rows = image.pixels.begin();
  for (std::ptrdiff_t top = 0, bottom = image.height - 1; top < bottom; ++top, --bottom) {
    std::swap_ranges(rows + top * stride, rows + (top + 1) * stride, rows + bottom * stride);
  }
}

// By pixels of its own.
void extend(Image& image, const Pad& pad, Image& scratch) {
  const int channels = image.channels;
  scratch.reshape(image.height + 2 * pad.size, image.width + 2 * pad.size, channels);
  std::uint8_t* to = scratch.pixels.data();
  for (int y = 0; y < scratch.height; ++y) {
    const int row = padding_source(pad.mode, y - pad.size, image.height);
    const std::uint8_t* from = image.pixels.data() + std::ptrdiff_t(row) * image.width * channels;
    for (int x = 0; x < scratch.width; ++x, to += channels) {
      const int column = padding_source(pad.mode, x - pad.size, image.width);
      std::copy_n(from + std::ptrdiff_t(column) * channels, channels, to);
    }
  }
  std::swap(image, scratch);
}

// Does a transform to what the canvas shows.
class Apply {
 public:
  Apply(Canvas& canvas, const Normalize& normalize, const DrawKey& key, std::string_view place,
        Image& scratch)
      : canvas_(canvas), normalize_(normalize), key_(key), place_(place), scratch_(scratch) {}

  // What makes numbers of the pixels in the end.
  const Normalize& normalize() const { return normalize_; }

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
  void operator()(const CornerCrop& transform) {
    require(canvas_.height() >= transform.size && canvas_.width() >= transform.size, ExitCode::data,
            place_, "is {} x {} pixels, smaller than the crop of {}", canvas_.height(),
            canvas_.width(), transform.size);
    const Rect part = part_of(transform, canvas_.height(), canvas_.width());
    canvas_.crop(part.top, part.left, part.height, part.width);
  }
  void operator()(const PadAndCrop& transform) {
    const int rows = canvas_.height() + 2 * transform.pad - transform.size + 1;
    const int columns = canvas_.width() + 2 * transform.pad - transform.size + 1;
    require(rows > 0 && columns > 0, ExitCode::data, place_,
            "{} x {} pixels padded by {} are smaller than the crop of {}", canvas_.height(),
            canvas_.width(), transform.pad, transform.size);
    const int top = static_cast<int>(crop_draws_.below(rows)) - transform.pad;
    const int left = static_cast<int>(crop_draws_.below(columns)) - transform.pad;
    const int shift = pad_by({transform.pad, transform.mode});
    canvas_.crop(top + shift, left + shift, transform.size, transform.size);
  }
  void operator()(const Pad& transform) {
    const std::int64_t height = canvas_.height() + std::int64_t{2} * transform.size;
    const std::int64_t width = canvas_.width() + std::int64_t{2} * transform.size;
    require_image_size(height, width, place_);
    const int shift = pad_by(transform) - transform.size;
    canvas_.crop(shift, shift, static_cast<int>(height), static_cast<int>(width));
  }
  void operator()(const HorizontalFlip& transform) {
    bool flips = flip_draws_.uniform() < transform.probability;
    if (transform.alternate) {
      Random once(key_.seed, RandomUse::flip, key_.sample_id);
      flips = (once.uniform() < transform.probability) != (key_.epoch % 2 == 1);
    }
    if (flips) canvas_.flip();
  }
  void operator()(const RandomResizedCrop& transform) {
    const Rect part = random_part(transform, canvas_.height(), canvas_.width(), crop_draws_);
    canvas_.crop(part.top, part.left, part.height, part.width);
    canvas_.resize(transform.size, transform.size);
  }
  void operator()(const VerticalFlip& transform) {
    if (vertical_flip_draws_.uniform() < transform.probability) canvas_.repaint(reverse_rows);
  }
  void operator()(const RandomRotation& transform) { warp_by(transform); }
  void operator()(const RandomAffine& transform) { warp_by(transform); }
  void operator()(const ColorJitter& transform) {
    canvas_.repaint([&](Image& image) { jitter(transform, image, jitter_draws_); });
  }
  void operator()(const RandomGrayscale& transform) {
    if (grayscale_draws_.uniform() < transform.probability) canvas_.repaint(make_colourless);
  }
  void operator()(const RandAugment& transform) {
    canvas_.repaint(
        [&](Image& image) { augment(image, transform, rand_augment_draws_, scratch_); });
  }
  void operator()(const TrivialAugment& transform) {
    canvas_.repaint(
        [&](Image& image) { augment(image, transform, trivial_augment_draws_, scratch_); });
  }
  void operator()(const Lighting& transform) {
    const std::array<float, 3> shift = draw(transform, lighting_draws_);
    for (int c = 0; c < 3; ++c) normalize_.mean[c] -= shift[c];
  }
  void operator()(const Cutout& transform) {
    canvas_.cut_out(draw(transform, canvas_.height(), canvas_.width(), cutout_draws_));
  }
  void operator()(const RandomErasing& transform) {
    const auto part = draw(transform, canvas_.height(), canvas_.width(), erasing_draws_);
    if (!part) return;
    canvas_.cut_out(*part, transform.value,
                    transform.noise ? std::optional(erasing_draws_) : std::nullopt);
  }

 private:
  // Makes pixels of what lies around the image, unless they are zero: a canvas has those anyway.
  // Returns by how much they have moved the image.
  int pad_by(const Pad& pad) {
    if (pad.mode == PadMode::constant || pad.size == 0) return 0;
    const int least = pad.mode == PadMode::reflect     ? pad.size + 1
                      : pad.mode == PadMode::symmetric ? pad.size
                                                       : 1;
    require(std::min(canvas_.height(), canvas_.width()) >= least, ExitCode::data, place_,
            "is {} x {} pixels, at least {} each way expected to mirror {} of them",
            canvas_.height(), canvas_.width(), least, pad.size);
    canvas_.repaint([&](Image& image) { extend(image, pad, scratch_); });
    return pad.size;
  }
  template <class Warp>
  void warp_by(const Warp& transform) {
    const AffineMatrix matrix = draw(transform, canvas_.height(), canvas_.width(), affine_draws_);
    canvas_.repaint([&](Image& image) { warp(image, matrix, transform.interpolation, scratch_); });
  }
  Random draws_for(RandomUse use) const { return {key_.seed, use, key_.sample_id, key_.epoch}; }

  Canvas& canvas_;
  Normalize normalize_;
  const DrawKey& key_;
  std::string_view place_;
  Image& scratch_;
  Random crop_draws_ = draws_for(RandomUse::crop);
  Random flip_draws_ = draws_for(RandomUse::flip);
  Random vertical_flip_draws_ = draws_for(RandomUse::vertical_flip);
  Random affine_draws_ = draws_for(RandomUse::affine);
  Random jitter_draws_ = draws_for(RandomUse::color_jitter);
  Random grayscale_draws_ = draws_for(RandomUse::grayscale);
  Random rand_augment_draws_ = draws_for(RandomUse::rand_augment);
  Random trivial_augment_draws_ = draws_for(RandomUse::trivial_augment);
  Random lighting_draws_ = draws_for(RandomUse::lighting);
  Random cutout_draws_ = draws_for(RandomUse::cutout);
  Random erasing_draws_ = draws_for(RandomUse::erasing);
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
  bool normalised = false;
  for (const Transform& transform : transforms) {
    require(!normalised || !works_on_pixels(transform), ExitCode::config, "transforms",
            "change pixels after lighting, cutout or erasing, expected those behind all others");
    normalised |= !works_on_pixels(transform);
    size = std::visit(SizeAfter{size, *this}, transform);
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
  Canvas canvas(image, pipeline.channels, !pipeline.partial_decode, scratch.canvas);
  Apply apply_to(canvas, pipeline.normalize, key, place, scratch.repainted);
  for (const Transform& transform : pipeline.transforms) std::visit(apply_to, transform);
  require(canvas.height() == out_shape[1] && canvas.width() == out_shape[2], ExitCode::data, place,
          "is {} x {} pixels after all transforms, {} x {} expected", canvas.height(),
          canvas.width(), out_shape[1], out_shape[2]);
  canvas.write(apply_to.normalize(), pipeline.format, out);
}

}  // namespace convoy
