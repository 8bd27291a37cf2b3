#include "data/transform.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "ops/core/check.h"
#include "ops/core/random.h"

namespace convoy {
namespace {

struct Size {
  std::int64_t height = 0;
  std::int64_t width = 0;
};

// Geometry, without pixels ---------------------------------------------------------------------

// torchvision's: the longer side is truncated.
Size size_after(const Resize& resize, Size in) {
  if (in.width <= in.height) return {resize.size * in.height / in.width, resize.size};
  return {resize.size, resize.size * in.width / in.height};
}

// Where a crop of `size` begins: half the surplus, halves rounded to even as Python's round() does;
// before the image where that is smaller (torchvision pads `(size - extent) / 2` in front).
int centre_offset(int extent, int size) {
  const int surplus = extent - size;
  if (surplus < 0) return -(-surplus / 2);
  const int half = surplus / 2;
  return surplus % 2 != 0 && half % 2 != 0 ? half + 1 : half;
}

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

// Pixels ----------------------------------------------------------------------------------------

Rect intersection(const Rect& a, const Rect& b) {
  const int top = std::max(a.top, b.top);
  const int left = std::max(a.left, b.left);
  return {top, left, std::max(0, std::min(a.bottom(), b.bottom()) - top),
          std::max(0, std::min(a.right(), b.right()) - left)};
}

// Pillow's "L" (ITU-R 601-2 luma), in place.
void make_grey(Image& image) {
  const std::size_t count = image.pixels.size() / 3;
  std::uint8_t* pixels = image.pixels.data();
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* rgb = pixels + 3 * i;
    const std::uint32_t luma = 19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u;
    pixels[i] = static_cast<std::uint8_t>(luma >> 16);
  }
  image.reshape(image.height, image.width, 1);
}

// What the transforms have made of an image so far. Crops, padding and flips only move the window;
// its pixels are touched when a resize needs them, or once at the end.
class Canvas {
 public:
  Canvas(Image& image, TransformScratch& scratch, const DrawKey& key, std::string_view place)
      : image_(image),
        scratch_(scratch),
        place_(place),
        crop_draws_(key.seed, RandomUse::crop, key.sample_id, key.epoch),
        flip_draws_(key.seed, RandomUse::flip, key.sample_id, key.epoch),
        cutout_draws_(key.seed, RandomUse::cutout, key.sample_id, key.epoch) {
    show_all();
  }

  const Rect& window() const { return window_; }

  void operator()(const Resize& transform) {
    const Size size = size_after(transform, {window_.height, window_.width});
    require_image_size(size.height, size.width, place_);
    resize(static_cast<int>(size.height), static_cast<int>(size.width));
  }
  void operator()(const ResizeExact& transform) { resize(transform.height, transform.width); }
  void operator()(const CenterCrop& transform) {
    crop(centre_offset(window_.height, transform.size),
         centre_offset(window_.width, transform.size), transform.size, transform.size);
  }
  void operator()(const PadAndCrop& transform) {
    const int rows = window_.height + 2 * transform.pad - transform.size + 1;
    const int columns = window_.width + 2 * transform.pad - transform.size + 1;
    require(rows > 0 && columns > 0, ExitCode::data, place_,
            "{} x {} pixels padded by {} are smaller than the crop of {}", window_.height,
            window_.width, transform.pad, transform.size);
    const int top = static_cast<int>(crop_draws_.below(rows)) - transform.pad;
    const int left = static_cast<int>(crop_draws_.below(columns)) - transform.pad;
    crop(top, left, transform.size, transform.size);
  }
  void operator()(const HorizontalFlip& transform) {
    if (flip_draws_.uniform() < transform.probability) flipped_ = !flipped_;
  }
  void operator()(const RandomResizedCrop& transform) {
    const Rect part = random_part(transform);
    crop(part.top, part.left, part.height, part.width);
    resize(transform.size, transform.size);
  }
  void operator()(const Cutout& transform) {
    const int y = static_cast<int>(cutout_draws_.below(window_.height)) - transform.size / 2;
    const int x = static_cast<int>(cutout_draws_.below(window_.width)) - transform.size / 2;
    holes_.push_back(intersection({y, x, transform.size, transform.size},
                                  {0, 0, window_.height, window_.width}));
  }

  void write_planes(int channels, std::span<float> out) const;

 private:
  void show_all() {
    window_ = visible_ = {0, 0, image_.height, image_.width};
    flipped_ = false;
  }
  // `top` and `left` count from the window's corner as seen, that is after the flip.
  void crop(int top, int left, int height, int width) {
    visible_ = intersection(visible_, window_);
    const int shift = flipped_ ? window_.width - left - width : left;
    window_ = {window_.top + top, window_.left + shift, height, width};
  }
  Rect random_part(const RandomResizedCrop& transform);
  void resize(int height, int width);
  void render();

  Image& image_;
  TransformScratch& scratch_;
  std::string_view place_;
  Random crop_draws_;
  Random flip_draws_;
  Random cutout_draws_;
  std::vector<Rect>& holes_ = scratch_.holes;  // of the mean colour, in pixels of the output
  Rect window_{};                              // in pixels of image_, from which it may stick out
  Rect visible_{};                             // outside of it the window shows zeros
  bool flipped_ = false;
};

// torchvision's RandomResizedCrop.get_params.
Rect Canvas::random_part(const RandomResizedCrop& transform) {
  const int height = window_.height, width = window_.width;
  const double area = static_cast<double>(height) * width;
  const float low = std::log(transform.min_ratio), high = std::log(transform.max_ratio);
  for (int attempt = 0; attempt < 10; ++attempt) {
    const double wanted = area * crop_draws_.uniform(transform.min_area, transform.max_area);
    const double ratio = std::exp(double{crop_draws_.uniform(low, high)});
    const int w = static_cast<int>(std::nearbyint(std::sqrt(wanted * ratio)));
    const int h = static_cast<int>(std::nearbyint(std::sqrt(wanted / ratio)));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const int top = static_cast<int>(crop_draws_.below(height - h + 1));
    const int left = static_cast<int>(crop_draws_.below(width - w + 1));
    return {top, left, h, w};
  }
  const double ratio = static_cast<double>(width) / height;
  int w = width, h = height;
  if (ratio < transform.min_ratio) {
    h = static_cast<int>(std::nearbyint(width / double{transform.min_ratio}));
  } else if (ratio > transform.max_ratio) {
    w = static_cast<int>(std::nearbyint(height * double{transform.max_ratio}));
  }
  return {(height - h) / 2, (width - w) / 2, h, w};
}

// Makes the window's pixels those of image_.
void Canvas::render() {
  const Rect shown = intersection(visible_, window_);
  const int channels = image_.channels;
  Image& drawn = scratch_.image;
  drawn.reshape(window_.height, window_.width, channels);
  std::fill(drawn.pixels.begin(), drawn.pixels.end(), std::uint8_t{0});
  for (int y = shown.top; y < shown.bottom(); ++y) {
    for (int x = shown.left; x < shown.right(); ++x) {
      const int column = flipped_ ? window_.right() - 1 - x : x - window_.left;
      const auto from = (std::ptrdiff_t(y) * image_.width + x) * channels;
      const auto to = (std::ptrdiff_t(y - window_.top) * window_.width + column) * channels;
      std::copy_n(image_.pixels.begin() + from, channels, drawn.pixels.begin() + to);
    }
  }
  std::swap(image_, drawn);
  show_all();
}

void Canvas::resize(int height, int width) {
  if (height == window_.height && width == window_.width) return;
  const Rect shown = intersection(visible_, window_);
  const bool whole = shown.height == window_.height && shown.width == window_.width;
  if (!whole || flipped_) render();
  const std::ptrdiff_t stride = std::ptrdiff_t(image_.width) * image_.channels;
  const PixelView source{
      image_.pixels.data() + window_.top * stride + std::ptrdiff_t(window_.left) * image_.channels,
      window_.height, window_.width, image_.channels, stride};
  resize_bilinear(source, height, width, scratch_.resize, scratch_.image);
  std::swap(image_, scratch_.image);
  show_all();
}

using PixelTables = std::array<std::array<float, 256>, 3>;

// `count` pixels of one row, `step` bytes apart, to one row of each plane.
template <int channels>
void write_run(const std::uint8_t* pixel, std::ptrdiff_t step, int count, const PixelTables& tables,
               float* __restrict out, std::ptrdiff_t plane) {
  for (int x = 0; x < count; ++x, pixel += step) {
    for (int c = 0; c < channels; ++c) out[c * plane + x] = tables[c][pixel[c]];
  }
}

// Grey shown as `channels` equal ones.
void write_grey_run(const std::uint8_t* pixel, std::ptrdiff_t step, int count,
                    const PixelTables& tables, float* __restrict out, std::ptrdiff_t plane) {
  for (int x = 0; x < count; ++x, pixel += step) {
    for (int c = 0; c < 3; ++c) out[c * plane + x] = tables[c][*pixel];
  }
}

void Canvas::write_planes(int channels, std::span<float> out) const {
  const Rect shown = intersection(visible_, window_);
  const PixelTables& tables = scratch_.tables;
  const auto plane = std::ptrdiff_t(window_.height) * window_.width;
  if (shown.height < window_.height || shown.width < window_.width) {
    for (int c = 0; c < channels; ++c) std::fill_n(out.data() + c * plane, plane, tables[c][0]);
  }
  const auto write = channels == 1          ? write_run<1>
                     : image_.channels == 3 ? write_run<3>
                                            : write_grey_run;
  const std::ptrdiff_t step = flipped_ ? -image_.channels : image_.channels;
  const int first = flipped_ ? shown.right() - 1 : shown.left;
  const int column = flipped_ ? window_.right() - shown.right() : shown.left - window_.left;
  for (int y = shown.top; y < shown.bottom(); ++y) {
    write(image_.pixels.data() + (std::ptrdiff_t(y) * image_.width + first) * image_.channels, step,
          shown.width, tables,
          out.data() + std::ptrdiff_t(y - window_.top) * window_.width + column, plane);
  }
  for (const Rect& hole : holes_) {  // the mean colour is zero once normalised
    for (int c = 0; c < channels; ++c) {
      for (int y = hole.top; y < hole.bottom(); ++y) {
        std::fill_n(out.data() + c * plane + std::ptrdiff_t(y) * window_.width + hole.left,
                    hole.width, 0.0f);
      }
    }
  }
}

void fill_tables(const Normalize& normalize, TransformScratch& scratch) {
  if (scratch.tables_of == normalize) return;
  for (int c = 0; c < 3; ++c) {
    for (int value = 0; value < 256; ++value) {
      scratch.tables[c][value] =
          (static_cast<float>(value) / 255.0f - normalize.mean[c]) / normalize.std[c];
    }
  }
  scratch.tables_of = normalize;
}

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

void apply(const Pipeline& pipeline, Image& image, const DrawKey& key, std::string_view place,
           const Shape& out_shape, TransformScratch& scratch, std::span<float> out) {
  fill_tables(pipeline.normalize, scratch);
  if (pipeline.channels == 1 && image.channels == 3) make_grey(image);
  scratch.holes.clear();
  Canvas canvas(image, scratch, key, place);
  for (const Transform& transform : pipeline.transforms) std::visit(canvas, transform);
  const Rect& window = canvas.window();
  require(window.height == out_shape[1] && window.width == out_shape[2], ExitCode::data, place,
          "is {} x {} pixels after all transforms, {} x {} expected", window.height, window.width,
          out_shape[1], out_shape[2]);
  canvas.write_planes(pipeline.channels, out);
}

}  // namespace convoy
