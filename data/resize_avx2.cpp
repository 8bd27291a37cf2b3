// The passes with AVX2. Processors multiply pairs of 16-bit numbers fastest, so a weight is two
// halves of 11 bits: pixel * weight = (pixel * high << 11) + pixel * low.
#include <immintrin.h>

#include <cstring>

#include "data/resize_kernels.h"

namespace convoy {
namespace {

constexpr int half_bits = weight_bits / 2;

// Halves of the weights of two neighbouring taps, as the low and high 16 bits of 32.
std::int32_t high_pair(const std::int32_t* w) {
  return (w[0] >> half_bits) | (w[1] >> half_bits) << 16;
}
std::int32_t low_pair(const std::int32_t* w) {
  constexpr std::int32_t mask = (1 << half_bits) - 1;
  return (w[0] & mask) | (w[1] & mask) << 16;
}

__m256i sum_of_halves(__m256i high, __m256i low) {
  return _mm256_add_epi32(_mm256_slli_epi32(high, half_bits), low);
}

// Output pixel `i` of `rows` rows of RGB: four taps at a time, two in each half of a register.
// Reads 16 bytes for each four taps, writes 4.
template <int rows>
void narrow_rgb(const std::uint8_t* source, std::ptrdiff_t stride, const ResizeTaps& taps, int i,
                std::uint8_t* result, std::ptrdiff_t result_stride) {
  // r r' g g' b b' of taps 0 and 1, then of taps 2 and 3, each extended to 16 bits.
  const __m256i spread =
      _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                       6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const std::uint8_t* pixel = source + static_cast<std::ptrdiff_t>(taps.first[i]) * 3;
  const std::int32_t* weights = taps.weights_of(i);
  __m256i high[rows], low[rows];
  for (int r = 0; r < rows; ++r) high[r] = low[r] = _mm256_setzero_si256();
  for (int t = 0; t < taps.count[i]; t += 4, pixel += 12) {
    const __m256i weights_high = _mm256_setr_m128i(_mm_set1_epi32(high_pair(weights + t)),
                                                   _mm_set1_epi32(high_pair(weights + t + 2)));
    const __m256i weights_low = _mm256_setr_m128i(_mm_set1_epi32(low_pair(weights + t)),
                                                  _mm_set1_epi32(low_pair(weights + t + 2)));
    for (int r = 0; r < rows; ++r) {
      const auto* at = reinterpret_cast<const __m128i*>(pixel + r * stride);
      const __m256i pairs =
          _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(at)), spread);
      high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(pairs, weights_high));
      low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(pairs, weights_low));
    }
  }
  for (int r = 0; r < rows; ++r) {
    const __m256i both = sum_of_halves(high[r], low[r]);
    const __m128i sum = _mm_add_epi32(
        _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1)),
        _mm_set1_epi32(weight_half));
    const __m128i words = _mm_packus_epi32(_mm_srai_epi32(sum, weight_bits), _mm_setzero_si128());
    const std::int32_t rgb = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    // The fourth byte falls into the next pixel, which is written later.
    std::memcpy(result + r * result_stride + i * 3, &rgb, 4);
  }
}

template <int rows>
void narrow_rows(const PixelView& source, int y, const ResizeTaps& taps, std::uint8_t* result,
                 std::ptrdiff_t result_stride) {
  const std::uint8_t* from = source.at(y, 0);
  std::uint8_t* to = result + y * result_stride;
  for (int i = 0; i < taps.size(); ++i) {
    const int read = taps.first[i] * 3 + (taps.count[i] + 3) / 4 * 12 + 4;
    if (read <= source.width * 3 && i + 1 < taps.size()) {
      narrow_rgb<rows>(from, source.stride, taps, i, to, result_stride);
    } else {
      for (int r = 0; r < rows; ++r) {
        narrow_pixel<3>(from + r * source.stride, taps, i, to + r * result_stride);
      }
    }
  }
}

void narrow(const PixelView& source, const ResizeTaps& columns, ResizeScratch& scratch,
            std::uint8_t* result, std::ptrdiff_t result_stride) {
  if (source.channels != 3) {
    return resize_portable.narrow(source, columns, scratch, result, result_stride);
  }
  constexpr int together = 4;  // rows that share the weights in registers
  int y = 0;
  for (; y + together <= source.height; y += together) {
    narrow_rows<together>(source, y, columns, result, result_stride);
  }
  for (; y < source.height; ++y) narrow_rows<1>(source, y, columns, result, result_stride);
}

// 32 bytes at a time, two taps at a time.
void blend(const std::uint8_t* source, std::ptrdiff_t stride, const ResizeTaps& rows, int y,
           std::size_t bytes, std::uint8_t* result) {
  const __m256i zero = _mm256_setzero_si256();
  const std::uint8_t* from = source + rows.first[y] * stride;
  const std::int32_t* weights = rows.weights_of(y);
  const int count = rows.count[y];
  std::size_t x = 0;
  for (; x + 32 <= bytes; x += 32) {
    __m256i high[4] = {zero, zero, zero, zero};
    __m256i low[4] = {zero, zero, zero, zero};
    for (int t = 0; t < count; t += 2) {
      const std::uint8_t* upper = from + t * stride + x;
      const std::uint8_t* lower = t + 1 < count ? upper + stride : upper;  // of weight 0
      const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(upper));
      const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(lower));
      const __m256i left = _mm256_unpacklo_epi8(a, b), right = _mm256_unpackhi_epi8(a, b);
      const __m256i pairs[4] = {_mm256_unpacklo_epi8(left, zero), _mm256_unpackhi_epi8(left, zero),
                                _mm256_unpacklo_epi8(right, zero),
                                _mm256_unpackhi_epi8(right, zero)};
      const __m256i weights_high = _mm256_set1_epi32(high_pair(weights + t));
      const __m256i weights_low = _mm256_set1_epi32(low_pair(weights + t));
      for (int i = 0; i < 4; ++i) {
        high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(pairs[i], weights_high));
        low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(pairs[i], weights_low));
      }
    }
    for (int i = 0; i < 4; ++i) {
      const __m256i sum =
          _mm256_add_epi32(sum_of_halves(high[i], low[i]), _mm256_set1_epi32(weight_half));
      high[i] = _mm256_srai_epi32(sum, weight_bits);
    }
    const __m256i words[2] = {_mm256_packs_epi32(high[0], high[1]),
                              _mm256_packs_epi32(high[2], high[3])};
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(result + x),
                        _mm256_packus_epi16(words[0], words[1]));
  }
  blend_bytes(source, stride, rows, y, x, bytes, result);
}

}  // namespace

const ResizeKernels resize_avx2{narrow, blend};

}  // namespace convoy
