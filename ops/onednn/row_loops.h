// Our own loops over rows: random bits and what they keep, local response normalisation, and the
// matrix products of locally connected layers. Compiled once per instruction set (row_loops.cpp),
// chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/onednn/loops.h"

namespace convoy::onednn {

// s[i] = k + scale * sum of x[j]^2 over |j - i| <= reach
struct Neighbourhood {
  int reach;
  float k, scale, beta;
};

struct RowLoops {
  // Bit i of the 64 * words bits is 1 where number i of the Philox stream that begins at `counter`
  // (four numbers per block, counter[0] counts the blocks) is at least `threshold`.
  void (*random_bits)(const std::uint32_t* counter, const std::uint32_t* key,
                      std::uint32_t threshold, std::int64_t words, std::uint64_t* bits);
  // dst[i] = bit i ? (src[i] [+ also[i]]) * factor : 0; `also` may be null. Reads up to eight bytes
  // behind the last bit.
  void (*keep)(float* dst, const float* src, const float* also, const std::uint64_t* bits,
               std::int64_t count, float factor);
  // Likewise for one image of a map, whose bits lie channels last.
  void (*keep_chunks)(const ChannelChunks& map, std::int64_t image, float* dst, const float* src,
                      const float* also, const std::uint64_t* bits, float factor);
  // y[i] = x[i] * s[i]^-beta, i < count. Before x and behind it lie `reach` zeros; `squares` has as
  // much room.
  void (*local_response)(const Neighbourhood& around, std::int64_t count, const float* x,
                         float* squares, float* y);
  // g[i] = g[i] s[i]^-beta - 2 scale beta x[i] * sum of g[j] x[j] s[j]^(-beta - 1) over
  // |j - i| <= reach. Zeros and room as before; zeros around `terms`, too.
  void (*local_response_gradient)(const Neighbourhood& around, std::int64_t count, const float* x,
                                  float* squares, float* powers, float* terms, float* g);
  // c[i * n + j] = sum over l < k of a[i * k + l] * b[j * k + l], for i < m, j < n
  void (*products_of_rows)(std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                           const float* b, float* c);
  // c[i * n + j] = sum over l < k of a[i * row + l * column] * b[l * n + j], for i < m, j < n
  void (*sums_of_rows)(std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                       std::int64_t row, std::int64_t column, const float* b, float* c);
};

namespace portable {
extern const RowLoops row_loops;
}
namespace avx2 {
extern const RowLoops row_loops;
}
namespace avx512 {
extern const RowLoops row_loops;
}

// For this processor.
const RowLoops& best_row_loops();

}  // namespace convoy::onednn
