#include "data/resize.h"

#include <algorithm>
#include <cmath>

namespace convoy {
namespace {

// Of the weights' fixed point: 8-bit pixels and 2 bits of headroom leave 22 of 32.
constexpr int fraction_bits = 22;
constexpr std::int32_t one_half = 1 << (fraction_bits - 1);

std::uint8_t to_pixel(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::min(sum >> fraction_bits, 255));
}

// A triangle as wide as the reduction (at least 1) around each output pixel's centre, cut off at
// the borders and normalised. The order of operations is Pillow's (precompute_coeffs), so that the
// doubles round alike.
void compute_taps(int in, int out, ResizeTaps& taps) {
  if (taps.in == in && taps.out == out) return;
  const double scale = static_cast<double>(in) / out;
  const double support = std::max(scale, 1.0);
  const double slope = 1.0 / support;
  taps.in = in;
  taps.out = out;
  taps.stride = static_cast<int>(std::ceil(support)) * 2 + 1;
  taps.first.resize(out);
  taps.count.resize(out);
  taps.weights.assign(static_cast<std::size_t>(out) * taps.stride, 0);
  const auto triangle = [&](int x, double centre) {
    return std::max(0.0, 1.0 - std::abs((x - centre + 0.5) * slope));
  };
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int low = std::max(0, static_cast<int>(centre - support + 0.5));
    const int high = std::min(in, static_cast<int>(centre + support + 0.5));
    double total = 0;
    for (int x = low; x < high; ++x) total += triangle(x, centre);
    std::int32_t* weights = taps.weights.data() + static_cast<std::size_t>(i) * taps.stride;
    for (int x = low; x < high; ++x) {
      const double weight = total != 0 ? triangle(x, centre) / total : triangle(x, centre);
      weights[x - low] = static_cast<std::int32_t>(0.5 + weight * (1 << fraction_bits));
    }
    taps.first[i] = low;
    taps.count[i] = high - low;
  }
}

template <int channels>
void narrow_row(const std::uint8_t* source, const ResizeTaps& taps, std::uint8_t* result) {
  for (int i = 0; i < taps.out; ++i) {
    const std::uint8_t* pixel = source + static_cast<std::ptrdiff_t>(taps.first[i]) * channels;
    const std::int32_t* weights = taps.weights.data() + static_cast<std::size_t>(i) * taps.stride;
    std::int32_t sums[channels];
    std::fill_n(sums, channels, one_half);
    for (int t = 0; t < taps.count[i]; ++t) {
      for (int c = 0; c < channels; ++c) sums[c] += weights[t] * pixel[t * channels + c];
    }
    for (int c = 0; c < channels; ++c) result[i * channels + c] = to_pixel(sums[c]);
  }
}

// One output row from `count` rows of `bytes` each.
void blend_rows(const std::uint8_t* source, std::ptrdiff_t stride, const std::int32_t* weights,
                int count, std::size_t bytes, std::uint8_t* result) {
  constexpr std::size_t block = 32;
  std::size_t x = 0;
  for (; x + block <= bytes; x += block) {
    std::int32_t sums[block];
    std::fill_n(sums, block, one_half);
    for (int t = 0; t < count; ++t) {
      const std::uint8_t* row = source + t * stride + x;
      for (std::size_t i = 0; i < block; ++i) sums[i] += weights[t] * row[i];
    }
    for (std::size_t i = 0; i < block; ++i) result[x + i] = to_pixel(sums[i]);
  }
  for (; x < bytes; ++x) {
    std::int32_t sum = one_half;
    for (int t = 0; t < count; ++t) sum += weights[t] * source[t * stride + x];
    result[x] = to_pixel(sum);
  }
}

}  // namespace

void resize_bilinear(const PixelView& source, int height, int width, ResizeScratch& scratch,
                     Image& result) {
  result.reshape(height, width, source.channels);
  const std::size_t row_bytes = static_cast<std::size_t>(width) * source.channels;
  PixelView narrowed = source;
  if (width != source.width) {
    compute_taps(source.width, width, scratch.columns);
    const bool last = height == source.height;
    if (!last) scratch.narrowed.resize(source.height * row_bytes);
    std::uint8_t* into = last ? result.pixels.data() : scratch.narrowed.data();
    const auto narrow = source.channels == 1 ? narrow_row<1> : narrow_row<3>;
    for (int y = 0; y < source.height; ++y) {
      narrow(source.pixels + y * source.stride, scratch.columns, into + y * row_bytes);
    }
    narrowed.pixels = into;
    narrowed.stride = static_cast<std::ptrdiff_t>(row_bytes);
  }
  if (height != source.height) {
    compute_taps(source.height, height, scratch.rows);
    const ResizeTaps& taps = scratch.rows;
    for (int y = 0; y < height; ++y) {
      blend_rows(narrowed.pixels + taps.first[y] * narrowed.stride, narrowed.stride,
                 taps.weights.data() + static_cast<std::size_t>(y) * taps.stride, taps.count[y],
                 row_bytes, result.pixels.data() + y * row_bytes);
    }
  } else if (width == source.width) {
    for (int y = 0; y < height; ++y) {
      std::copy_n(source.pixels + y * source.stride, row_bytes,
                  result.pixels.data() + y * row_bytes);
    }
  }
}

}  // namespace convoy
