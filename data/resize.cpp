#include "data/resize.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "data/resize_kernels.h"

namespace convoy {

// A triangle as wide as the reduction (at least 1) around each output pixel's centre, cut off at
// the borders and normalised. The order of operations is Pillow's (precompute_coeffs), so that the
// doubles round alike.
void ResizeTaps::compute(int in_size, int out_size, int out_begin, int out_end, bool reverse) {
  if (in == in_size && out == out_size && begin == out_begin && end == out_end &&
      reversed == reverse) {
    return;
  }
  in = in_size, out = out_size, begin = out_begin, end = out_end, reversed = reverse;
  const double scale = static_cast<double>(in) / out;
  const double support = std::max(scale, 1.0);
  const double slope = 1.0 / support;
  stride = (2 * static_cast<int>(std::ceil(support)) + 2 + 3) / 4 * 4;
  first.resize(size());
  count.resize(size());
  weights.assign(static_cast<std::size_t>(size()) * stride, 0);
  shares.resize(stride);
  for (int i = begin; i < end; ++i) {
    const double centre = (i + 0.5) * scale;
    const int low = std::max(0, static_cast<int>(centre - support + 0.5));
    const int high = std::min(in, static_cast<int>(centre + support + 0.5));
    double total = 0;
    for (int x = low; x < high; ++x) {
      shares[x - low] = std::max(0.0, 1.0 - std::abs((x - centre + 0.5) * slope));
      total += shares[x - low];
    }
    const int at = reversed ? end - 1 - i : i - begin;
    std::int32_t* w = weights.data() + std::ptrdiff_t(at) * stride;
    for (int x = low; x < high; ++x) {
      const double share = total != 0 ? shares[x - low] / total : shares[x - low];
      w[x - low] = static_cast<std::int32_t>(0.5 + share * (1 << weight_bits));
    }
    first[at] = low;
    count[at] = high - low;
    while (count[at] > 1 && w[count[at] - 1] == 0) --count[at];
  }
  const auto [leftmost, rightmost] = reversed ? std::pair(size() - 1, 0) : std::pair(0, size() - 1);
  source_begin = first[leftmost];
  source_end = first[rightmost] + count[rightmost];
  for (int& x : first) x -= source_begin;
}

ResizedRows::ResizedRows(const PixelView& needed, ResizeScratch& scratch,
                         const ResizeKernels& kernels)
    : source_(needed), scratch_(scratch), kernels_(kernels) {
  const ResizeTaps& columns = scratch.columns;
  const std::ptrdiff_t row_bytes = std::ptrdiff_t(columns.size()) * needed.channels;
  scratch.row.resize(row_bytes);
  if (!columns.changes()) return;
  scratch.narrowed.resize(needed.height * row_bytes);
  kernels.narrow(needed, columns, scratch, scratch.narrowed.data(), row_bytes);
  source_ = {scratch.narrowed.data(), needed.height, columns.size(), needed.channels, row_bytes};
}

const std::uint8_t* ResizedRows::row(int y) {
  if (!scratch_.rows.changes()) return source_.at(y, 0);
  kernels_.blend(source_.pixels, source_.stride, scratch_.rows, y, scratch_.row.size(),
                 scratch_.row.data());
  return scratch_.row.data();
}

void resize_bilinear(const PixelView& source, int height, int width, ResizeScratch& scratch,
                     Image& result) {
  scratch.rows.compute(source.height, height, 0, height, false);
  scratch.columns.compute(source.width, width, 0, width, false);
  result.reshape(height, width, source.channels);
  const std::ptrdiff_t row_bytes = std::ptrdiff_t(width) * source.channels;
  ResizedRows rows(source, scratch);
  for (int y = 0; y < height; ++y) {
    std::copy_n(rows.row(y), row_bytes, result.pixels.data() + y * row_bytes);
  }
}

}  // namespace convoy
