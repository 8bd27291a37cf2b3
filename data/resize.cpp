#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace convoy {
namespace {

constexpr int fraction_bits = 22;  // of a weight: 8-bit pixels and 2 bits of headroom leave these
constexpr int half_bits = fraction_bits / 2;
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
  taps.stride = 2 * static_cast<int>(std::ceil(support)) + 2;
  taps.first.resize(out);
  taps.count.resize(out);
  taps.weights.assign(static_cast<std::size_t>(out) * taps.stride, 0);
  taps.pairs.resize(taps.weights.size() / 2);
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
      const double share = total != 0 ? triangle(x, centre) / total : triangle(x, centre);
      weights[x - low] = static_cast<std::int32_t>(0.5 + share * (1 << fraction_bits));
    }
    taps.first[i] = low;
    taps.count[i] = high - low;
  }
  const auto high_half = [](std::int32_t w) { return static_cast<std::int16_t>(w >> half_bits); };
  const auto low_half = [](std::int32_t w) {
    return static_cast<std::int16_t>(w & ((1 << half_bits) - 1));
  };
  for (std::size_t i = 0; i < taps.pairs.size(); ++i) {
    const std::int32_t* w = taps.weights.data() + 2 * i;
    taps.pairs[i] = {{high_half(w[0]), high_half(w[1])}, {low_half(w[0]), low_half(w[1])}};
  }
}

const std::int32_t* weights_of(const ResizeTaps& taps, int i) {
  return taps.weights.data() + static_cast<std::size_t>(i) * taps.stride;
}
const ResizeTaps::Pair* pairs_of(const ResizeTaps& taps, int i) {
  return taps.pairs.data() + static_cast<std::size_t>(i) * (taps.stride / 2);
}

// Horizontal pass ------------------------------------------------------------------------------

// Output pixels from `begin` on of one row.
template <int channels>
void narrow_row(const std::uint8_t* source, const ResizeTaps& taps, int begin,
                std::uint8_t* result) {
  for (int i = begin; i < taps.out; ++i) {
    const std::uint8_t* pixel = source + static_cast<std::ptrdiff_t>(taps.first[i]) * channels;
    const std::int32_t* weights = weights_of(taps, i);
    std::int32_t sums[channels];
    std::fill_n(sums, channels, one_half);
    for (int t = 0; t < taps.count[i]; ++t) {
      for (int c = 0; c < channels; ++c) sums[c] += weights[t] * pixel[t * channels + c];
    }
    for (int c = 0; c < channels; ++c) result[i * channels + c] = to_pixel(sums[c]);
  }
}

#ifdef __SSE2__

__m128i load4(const std::uint8_t* bytes) {
  std::int32_t word;
  std::memcpy(&word, bytes, 4);
  return _mm_cvtsi32_si128(word);
}

// The first output pixels of `rows` rows of RGB, all channels and two taps at a time; returns how
// many. It stops where whole pairs, and the byte after them, would reach beyond the row.
template <int rows>
int narrow_rgb(const std::uint8_t* source, std::ptrdiff_t stride, const ResizeTaps& taps,
               std::uint8_t* result, std::ptrdiff_t result_stride) {
  const __m128i zero = _mm_setzero_si128();
  int i = 0;
  for (; i < taps.out; ++i) {
    const int used = (taps.count[i] + 1) / 2;
    if (taps.first[i] + 2 * used >= taps.in) break;
    const ResizeTaps::Pair* pair = pairs_of(taps, i);
    const std::uint8_t* pixel = source + static_cast<std::ptrdiff_t>(taps.first[i]) * 3;
    __m128i high[rows], low[rows];
    for (int r = 0; r < rows; ++r) high[r] = low[r] = zero;
    for (int p = 0; p < used; ++p, pixel += 6) {
      const __m128i weights = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(pair + p));
      const __m128i weights_high = _mm_shuffle_epi32(weights, 0x00);
      const __m128i weights_low = _mm_shuffle_epi32(weights, 0x55);
      for (int r = 0; r < rows; ++r) {
        const std::uint8_t* at = pixel + r * stride;
        const __m128i bytes = _mm_unpacklo_epi8(load4(at), load4(at + 3));
        const __m128i both = _mm_unpacklo_epi8(bytes, zero);  // r r' g g' b b' and two unused
        high[r] = _mm_add_epi32(high[r], _mm_madd_epi16(both, weights_high));
        low[r] = _mm_add_epi32(low[r], _mm_madd_epi16(both, weights_low));
      }
    }
    for (int r = 0; r < rows; ++r) {
      const __m128i sum = _mm_add_epi32(_mm_add_epi32(_mm_slli_epi32(high[r], half_bits), low[r]),
                                        _mm_set1_epi32(one_half));
      const __m128i words = _mm_packs_epi32(_mm_srai_epi32(sum, fraction_bits), zero);
      const std::int32_t rgb = _mm_cvtsi128_si32(_mm_packus_epi16(words, zero));
      // The fourth byte falls into the next pixel, which is written later.
      std::memcpy(result + r * result_stride + i * 3, &rgb, 4);
    }
  }
  return i;
}

#else

template <int rows>
int narrow_rgb(const std::uint8_t*, std::ptrdiff_t, const ResizeTaps&, std::uint8_t*,
               std::ptrdiff_t) {
  return 0;
}

#endif

template <int rows>
void narrow_rows(const PixelView& source, int y, const ResizeTaps& taps, std::uint8_t* result,
                 std::ptrdiff_t result_stride) {
  const std::uint8_t* from = source.pixels + y * source.stride;
  std::uint8_t* to = result + y * result_stride;
  int done = 0;
  if (source.channels == 3) done = narrow_rgb<rows>(from, source.stride, taps, to, result_stride);
  const auto finish = source.channels == 3 ? narrow_row<3> : narrow_row<1>;
  for (int r = 0; r < rows; ++r) {
    finish(from + r * source.stride, taps, done, to + r * result_stride);
  }
}

void narrow(const PixelView& source, const ResizeTaps& taps, std::uint8_t* result,
            std::ptrdiff_t result_stride) {
  constexpr int together = 4;  // rows that share the weights in registers
  int y = 0;
  for (; y + together <= source.height; y += together) {
    narrow_rows<together>(source, y, taps, result, result_stride);
  }
  for (; y < source.height; ++y) narrow_rows<1>(source, y, taps, result, result_stride);
}

// Vertical pass ---------------------------------------------------------------------------------

#ifdef __SSE2__

// The first bytes of one output row from `count` input rows, 16 at a time; returns how many.
std::size_t blend_blocks(const std::uint8_t* source, std::ptrdiff_t stride,
                         const ResizeTaps::Pair* pairs, int count, std::size_t bytes,
                         std::uint8_t* result) {
  const __m128i zero = _mm_setzero_si128();
  std::size_t x = 0;
  for (; x + 16 <= bytes; x += 16) {
    __m128i high[4] = {zero, zero, zero, zero};
    __m128i low[4] = {zero, zero, zero, zero};
    for (int t = 0; t < count; t += 2) {
      const auto* upper = reinterpret_cast<const __m128i*>(source + t * stride + x);
      const auto* lower =
          reinterpret_cast<const __m128i*>(source + std::min(t + 1, count - 1) * stride + x);
      const __m128i weights = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(pairs + t / 2));
      const __m128i weights_high = _mm_shuffle_epi32(weights, 0x00);
      const __m128i weights_low = _mm_shuffle_epi32(weights, 0x55);
      const __m128i a = _mm_loadu_si128(upper);
      const __m128i b = _mm_loadu_si128(lower);
      const __m128i left = _mm_unpacklo_epi8(a, b);
      const __m128i right = _mm_unpackhi_epi8(a, b);
      const __m128i both[4] = {_mm_unpacklo_epi8(left, zero), _mm_unpackhi_epi8(left, zero),
                               _mm_unpacklo_epi8(right, zero), _mm_unpackhi_epi8(right, zero)};
      for (int i = 0; i < 4; ++i) {
        high[i] = _mm_add_epi32(high[i], _mm_madd_epi16(both[i], weights_high));
        low[i] = _mm_add_epi32(low[i], _mm_madd_epi16(both[i], weights_low));
      }
    }
    for (int i = 0; i < 4; ++i) {
      const __m128i sum = _mm_add_epi32(_mm_add_epi32(_mm_slli_epi32(high[i], half_bits), low[i]),
                                        _mm_set1_epi32(one_half));
      high[i] = _mm_srai_epi32(sum, fraction_bits);
    }
    const __m128i words[2] = {_mm_packs_epi32(high[0], high[1]), _mm_packs_epi32(high[2], high[3])};
    _mm_storeu_si128(reinterpret_cast<__m128i*>(result + x), _mm_packus_epi16(words[0], words[1]));
  }
  return x;
}

#else

std::size_t blend_blocks(const std::uint8_t*, std::ptrdiff_t, const ResizeTaps::Pair*, int,
                         std::size_t, std::uint8_t*) {
  return 0;
}

#endif

// `rows` are the source's rows, each of `bytes` bytes.
void blend(const std::uint8_t* rows, std::ptrdiff_t stride, const ResizeTaps& taps,
           std::size_t bytes, std::uint8_t* result) {
  for (int y = 0; y < taps.out; ++y, result += bytes) {
    const std::uint8_t* source = rows + taps.first[y] * stride;
    const std::int32_t* weights = weights_of(taps, y);
    const int count = taps.count[y];
    std::size_t x = blend_blocks(source, stride, pairs_of(taps, y), count, bytes, result);
    for (; x < bytes; ++x) {
      std::int32_t sum = one_half;
      for (int t = 0; t < count; ++t) sum += weights[t] * source[t * stride + x];
      result[x] = to_pixel(sum);
    }
  }
}

}  // namespace

void resize_bilinear(const PixelView& source, int height, int width, ResizeScratch& scratch,
                     Image& result) {
  result.reshape(height, width, source.channels);
  const std::ptrdiff_t row_bytes = std::ptrdiff_t(width) * source.channels;
  const bool narrows = width != source.width;
  const bool blends = height != source.height;
  const std::uint8_t* rows = source.pixels;
  std::ptrdiff_t stride = source.stride;
  if (narrows) {
    if (blends) scratch.narrowed.resize(source.height * row_bytes);
    std::uint8_t* into = blends ? scratch.narrowed.data() : result.pixels.data();
    compute_taps(source.width, width, scratch.columns);
    narrow(source, scratch.columns, into, row_bytes);
    rows = into;
    stride = row_bytes;
  }
  if (blends) {
    compute_taps(source.height, height, scratch.rows);
    blend(rows, stride, scratch.rows, row_bytes, result.pixels.data());
  } else if (!narrows) {
    for (int y = 0; y < height; ++y) {
      std::copy_n(rows + y * stride, row_bytes, result.pixels.data() + y * row_bytes);
    }
  }
}

}  // namespace convoy
