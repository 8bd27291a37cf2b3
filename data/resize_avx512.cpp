// The passes with AVX-512, VBMI and VNNI: sixteen output bytes at a time, four taps of each in one
// instruction that multiplies unsigned by signed bytes. So a weight is three signed bytes:
// weight = d2 * 2^16 + d1 * 2^8 + d0.
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "data/resize_kernels.h"

namespace convoy {
namespace {

constexpr int lanes = 16;    // output bytes of one block
constexpr int together = 4;  // taps of one instruction

using Digits = std::array<std::int8_t, 3>;

Digits digits_of(std::int32_t weight) {
  const auto low = static_cast<std::int8_t>(weight & 255);
  const std::int32_t rest = (weight - low) >> 8;
  const auto middle = static_cast<std::int8_t>(rest & 255);
  return {low, middle, static_cast<std::int8_t>((rest - middle) >> 8)};
}

struct Sums {
  __m512i digit[3];
};

__m512i pixels_of(const Sums& sums) {
  const __m512i high = _mm512_slli_epi32(sums.digit[2], 16);
  const __m512i middle = _mm512_slli_epi32(sums.digit[1], 8);
  const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(high, middle), sums.digit[0]);
  return _mm512_srai_epi32(sum, weight_bits);
}

Sums no_sums() {
  return {{_mm512_set1_epi32(weight_half), _mm512_setzero_si512(), _mm512_setzero_si512()}};
}

// Appends the steps of the block of output bytes that begins at `begin`.
void plan_block(const ResizeTaps& taps, int channels, int row_bytes, int begin,
                std::vector<ResizeStep>& steps) {
  const int used = std::min(lanes, taps.size() * channels - begin);
  std::array<int, lanes> done{};
  for (bool complete = false; !complete;) {
    ResizeStep step{};
    step.offset = row_bytes;
    const auto next_byte = [&](int lane) {
      const int i = (begin + lane) / channels;
      return (taps.first[i] + done[lane]) * channels + (begin + lane) % channels;
    };
    for (int lane = 0; lane < used; ++lane) {
      if (done[lane] < taps.count[(begin + lane) / channels]) {
        step.offset = std::min(step.offset, next_byte(lane));
      }
    }
    complete = true;
    for (int lane = 0; lane < used; ++lane) {
      const int i = (begin + lane) / channels;
      for (int t = 0; t < together && done[lane] < taps.count[i]; ++t, ++done[lane]) {
        const int byte = next_byte(lane) - step.offset;
        if (byte >= 64) break;
        const Digits digits = digits_of(taps.weights_of(i)[done[lane]]);
        step.bytes[lane * together + t] = static_cast<std::uint8_t>(byte);
        for (int d = 0; d < 3; ++d) step.weights[d][lane * together + t] = digits[d];
      }
      complete &= done[lane] == taps.count[i];
    }
    const int left = std::min(64, row_bytes - step.offset);
    step.mask = left == 64 ? ~0ull : (1ull << left) - 1;
    step.last = complete;
    steps.push_back(step);
  }
}

// One block of `rows` rows; returns behind its steps.
template <int rows>
const ResizeStep* narrow_block(const std::uint8_t* source, std::ptrdiff_t stride,
                               const ResizeStep* step, __mmask16 kept, std::uint8_t* result,
                               std::ptrdiff_t result_stride) {
  Sums sums[rows];
  for (int r = 0; r < rows; ++r) sums[r] = no_sums();
  for (bool last = false; !last; ++step) {
    const __m512i bytes = _mm512_load_si512(step->bytes.data());
    const __m512i weights[3] = {_mm512_load_si512(step->weights[0].data()),
                                _mm512_load_si512(step->weights[1].data()),
                                _mm512_load_si512(step->weights[2].data())};
    for (int r = 0; r < rows; ++r) {
      const __m512i row = _mm512_maskz_loadu_epi8(step->mask, source + r * stride + step->offset);
      const __m512i taps = _mm512_permutexvar_epi8(bytes, row);
      for (int d = 0; d < 3; ++d) {
        sums[r].digit[d] = _mm512_dpbusd_epi32(sums[r].digit[d], taps, weights[d]);
      }
    }
    last = step->last;
  }
  for (int r = 0; r < rows; ++r) {
    _mm512_mask_cvtusepi32_storeu_epi8(result + r * result_stride, kept, pixels_of(sums[r]));
  }
  return step;
}

template <int rows>
void narrow_rows(const PixelView& source, int y, const std::vector<ResizeStep>& steps,
                 int row_bytes, std::uint8_t* result, std::ptrdiff_t result_stride) {
  const ResizeStep* step = steps.data();
  for (int x = 0; x < row_bytes; x += lanes) {
    const auto kept = static_cast<__mmask16>((1u << std::min(lanes, row_bytes - x)) - 1);
    step = narrow_block<rows>(source.at(y, 0), source.stride, step, kept,
                              result + y * result_stride + x, result_stride);
  }
}

void narrow(const PixelView& source, const ResizeTaps& columns, ResizeScratch& scratch,
            std::uint8_t* result, std::ptrdiff_t result_stride) {
  std::vector<ResizeStep>& steps = scratch.steps;
  steps.clear();
  const int row_bytes = columns.size() * source.channels;
  for (int x = 0; x < row_bytes; x += lanes) {
    plan_block(columns, source.channels, source.width * source.channels, x, steps);
  }
  constexpr int rows = 4;  // that share a step in registers
  int y = 0;
  for (; y + rows <= source.height; y += rows) {
    narrow_rows<rows>(source, y, steps, row_bytes, result, result_stride);
  }
  for (; y < source.height; ++y) narrow_rows<1>(source, y, steps, row_bytes, result, result_stride);
}

// Digits of four rows' weights, as the bytes of one word for each digit.
using RowWeights = std::array<std::int32_t, 3>;

RowWeights row_weights(const std::int32_t* weights) {
  std::array<std::array<std::int8_t, together>, 3> bytes;
  for (int k = 0; k < together; ++k) {
    const Digits digits = digits_of(weights[k]);
    for (int d = 0; d < 3; ++d) bytes[d][k] = digits[d];
  }
  RowWeights words;
  std::memcpy(words.data(), bytes.data(), sizeof(words));
  return words;
}

// The bytes at `from` that are in `mask`.
void blend_block(const std::uint8_t* from, std::ptrdiff_t stride, const RowWeights* weights,
                 int count, __mmask64 mask, std::uint8_t* result) {
  Sums sums[4] = {no_sums(), no_sums(), no_sums(), no_sums()};
  for (int t = 0; t < count; t += together, ++weights) {
    __m512i row[together];
    for (int k = 0; k < together; ++k) {
      const int tap = std::min(t + k, count - 1);  // beyond the last the weight is 0
      row[k] = _mm512_maskz_loadu_epi8(mask, from + tap * stride);
    }
    const __m512i low01 = _mm512_unpacklo_epi8(row[0], row[1]);
    const __m512i low23 = _mm512_unpacklo_epi8(row[2], row[3]);
    const __m512i high01 = _mm512_unpackhi_epi8(row[0], row[1]);
    const __m512i high23 = _mm512_unpackhi_epi8(row[2], row[3]);
    const __m512i taps[4] = {
        _mm512_unpacklo_epi16(low01, low23), _mm512_unpackhi_epi16(low01, low23),
        _mm512_unpacklo_epi16(high01, high23), _mm512_unpackhi_epi16(high01, high23)};
    for (int d = 0; d < 3; ++d) {
      const __m512i weight = _mm512_set1_epi32((*weights)[d]);
      for (int i = 0; i < 4; ++i) {
        sums[i].digit[d] = _mm512_dpbusd_epi32(sums[i].digit[d], taps[i], weight);
      }
    }
  }
  const __m512i words[2] = {_mm512_packs_epi32(pixels_of(sums[0]), pixels_of(sums[1])),
                            _mm512_packs_epi32(pixels_of(sums[2]), pixels_of(sums[3]))};
  _mm512_mask_storeu_epi8(result, mask, _mm512_packus_epi16(words[0], words[1]));
}

void blend(const std::uint8_t* source, std::ptrdiff_t stride, const ResizeTaps& rows, int y,
           std::size_t bytes, std::uint8_t* result) {
  constexpr int most = 64;  // taps: reductions by more than 31 are rare
  const int count = rows.count[y];
  if (count > most) return blend_bytes(source, stride, rows, y, 0, bytes, result);
  std::array<RowWeights, most / together> weights;
  for (int t = 0; t < count; t += together) {
    weights[t / together] = row_weights(rows.weights_of(y) + t);
  }
  const std::uint8_t* from = source + rows.first[y] * stride;
  for (std::size_t x = 0; x < bytes; x += 64) {
    const __mmask64 mask = bytes - x >= 64 ? ~0ull : (1ull << (bytes - x)) - 1;
    blend_block(from + x, stride, weights.data(), count, mask, result + x);
  }
}

}  // namespace

const ResizeKernels resize_avx512{narrow, blend};

}  // namespace convoy
