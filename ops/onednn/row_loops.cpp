// Compiled once per instruction set, with CONVOY_ISA naming the namespace of the table that it
// defines. Includes nothing that has inline functions of external linkage.
#include "ops/onednn/row_loops.h"

#include "ops/onednn/vector.h"

namespace convoy::onednn {
namespace {

#ifdef __AVX512F__
constexpr int native_width = 16;
#else
constexpr int native_width = 8;
#endif

// Philox 4x32-10 (see ops/core/random.h), 16 blocks at a time.
constexpr int blocks = 16;

struct PhiloxBlocks {
  std::uint32_t x[4][blocks];
};

void philox(PhiloxBlocks& state, std::uint32_t key0, std::uint32_t key1) {
  auto& [x] = state;
  for (int round = 0; round < 10; ++round) {
    for (int b = 0; b < blocks; ++b) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53} * x[0][b];
      const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * x[2][b];
      x[0][b] = static_cast<std::uint32_t>(p1 >> 32) ^ x[1][b] ^ key0;
      x[2][b] = static_cast<std::uint32_t>(p0 >> 32) ^ x[3][b] ^ key1;
      x[1][b] = static_cast<std::uint32_t>(p1);
      x[3][b] = static_cast<std::uint32_t>(p0);
    }
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
}

void random_bits(const std::uint32_t* counter, const std::uint32_t* key, std::uint32_t threshold,
                 std::int64_t words, std::uint64_t* bits) {
  for (std::int64_t w = 0; w < words; ++w) {
    PhiloxBlocks state;
    for (int b = 0; b < blocks; ++b) {
      state.x[0][b] = counter[0] + static_cast<std::uint32_t>(w * blocks + b);
      for (int i = 1; i < 4; ++i) state.x[i][b] = counter[i];
    }
    philox(state, key[0], key[1]);
    std::uint64_t word = 0;
    for (int b = 0; b < blocks; ++b) {
      std::uint64_t four = 0;
      for (int i = 0; i < 4; ++i) four |= std::uint64_t{state.x[i][b] >= threshold} << i;
      word |= four << (4 * b);
    }
    bits[w] = word;
  }
}

// Width bits from bit `first` on, as all or no bits of each lane.
template <int Width>
Mask<Width> mask_at(const std::uint64_t* bits, std::int64_t first) {
  std::uint64_t word;
  __builtin_memcpy(&word, reinterpret_cast<const char*>(bits) + first / 8, sizeof word);
  const int some = static_cast<int>(word >> (first % 8));
  Mask<Width> lanes, all = {};
  for (int i = 0; i < Width; ++i) lanes[i] = 1 << i;
  return ((all + some) & lanes) != 0;
}

void keep(float* dst, const float* src, const float* also, const std::uint64_t* bits,
          std::int64_t count, float factor) {
  constexpr int width = native_width;
  const Vector<width> zero = {};
  std::int64_t i = 0;
  for (; i + width <= count; i += width) {
    Vector<width> v = load_any<width>(src + i);
    if (also) v += load_any<width>(also + i);
    store_any<width>(dst + i, mask_at<width>(bits, i) ? v * factor : zero);
  }
  for (; i < count; ++i) {
    const float v = also ? src[i] + also[i] : src[i];
    dst[i] = (bits[i / 64] >> (i % 64) & 1) != 0 ? v * factor : 0.0f;
  }
}

// Channels that only pad a chunk read the bits of others, but are zero and stay zero.
template <int Width>
void keep_image(const ChannelChunks& map, std::int64_t image, float* dst, const float* src,
                const float* also, const std::uint64_t* bits, float factor) {
  const Vector<Width> zero = {};
  for (std::int64_t chunk = 0; chunk < map.chunks; ++chunk) {
    std::int64_t at = image * map.image_stride + chunk * map.chunk_stride;
    std::int64_t bit = chunk * Width;
    for (std::int64_t p = 0; p < map.pixels; ++p, at += map.pixel_stride, bit += map.channels) {
      Vector<Width> v = load<Width>(src + at);
      if (also) v += load<Width>(also + at);
      store<Width>(dst + at, mask_at<Width>(bits, bit) ? v * factor : zero);
    }
  }
}

void keep_chunks(const ChannelChunks& map, std::int64_t image, float* dst, const float* src,
                 const float* also, const std::uint64_t* bits, float factor) {
  (map.width == 16 ? keep_image<16> : keep_image<8>)(map, image, dst, src, also, bits, factor);
}

// Sum of values[j] over |j| <= reach. The reach is a constant where it is usual: 0 stands for any.
template <int Reach>
float window_sum(int reach, const float* values) {
  float sum = values[0];
  for (int j = 1; j <= (Reach > 0 ? Reach : reach); ++j) sum += values[-j] + values[j];
  return sum;
}

void square(const Neighbourhood& around, std::int64_t count, const float* __restrict x,
            float* __restrict squares) {
  for (std::int64_t i = -around.reach; i < count + around.reach; ++i) squares[i] = x[i] * x[i];
}

template <int Reach, bool ThreeQuarters>
void responses(const Neighbourhood& around, std::int64_t count, const float* __restrict x,
               const float* __restrict squares, float* __restrict y) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float s = around.k + around.scale * window_sum<Reach>(around.reach, squares + i);
    if constexpr (ThreeQuarters) {  // in instructions that vectors have
      const float root = __builtin_sqrtf(s);
      y[i] = x[i] / (root * __builtin_sqrtf(root));
    } else {
      y[i] = x[i] * __builtin_powf(s, -around.beta);
    }
  }
}

void local_response(const Neighbourhood& around, std::int64_t count, const float* x, float* squares,
                    float* y) {
  square(around, count, x, squares);
  const bool usual = around.reach == 2 && around.beta == 0.75f;
  const auto loop = usual                  ? responses<2, true>
                    : around.beta == 0.75f ? responses<0, true>
                                           : responses<0, false>;
  loop(around, count, x, squares, y);
}

// powers[i] = s[i]^-beta, terms[i] = g[i] x[i] s[i]^(-beta - 1)
template <int Reach, bool ThreeQuarters>
void response_terms(const Neighbourhood& around, std::int64_t count, const float* __restrict x,
                    const float* __restrict g, const float* __restrict squares,
                    float* __restrict powers, float* __restrict terms) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float s = around.k + around.scale * window_sum<Reach>(around.reach, squares + i);
    const float inverse = 1.0f / s;
    if constexpr (ThreeQuarters) {
      const float root = __builtin_sqrtf(inverse);
      powers[i] = root * __builtin_sqrtf(root);
    } else {
      powers[i] = __builtin_powf(s, -around.beta);
    }
    terms[i] = g[i] * x[i] * powers[i] * inverse;
  }
}

template <int Reach>
void response_gradients(const Neighbourhood& around, std::int64_t count, const float* __restrict x,
                        const float* __restrict powers, const float* __restrict terms,
                        float* __restrict g) {
  const float slope = 2 * around.scale * around.beta;
  for (std::int64_t i = 0; i < count; ++i) {
    g[i] = g[i] * powers[i] - slope * x[i] * window_sum<Reach>(around.reach, terms + i);
  }
}

void local_response_gradient(const Neighbourhood& around, std::int64_t count, const float* x,
                             float* squares, float* powers, float* terms, float* g) {
  square(around, count, x, squares);
  const bool usual = around.reach == 2 && around.beta == 0.75f;
  const auto loop = usual                  ? response_terms<2, true>
                    : around.beta == 0.75f ? response_terms<0, true>
                                           : response_terms<0, false>;
  loop(around, count, x, g, squares, powers, terms);
  (usual ? response_gradients<2> : response_gradients<0>)(around, count, x, powers, terms, g);
}

// Rows x Columns products at once, so that each vector is loaded once for several of them.
template <int Rows, int Columns>
void product_tile(std::int64_t n, std::int64_t k, const float* a, const float* b, float* c) {
  constexpr int width = native_width;
  Vector<width> sums[Rows][Columns] = {};
  std::int64_t l = 0;
  for (; l + width <= k; l += width) {
    for (int i = 0; i < Rows; ++i) {
      const Vector<width> x = load_any<width>(a + i * k + l);
      for (int j = 0; j < Columns; ++j) sums[i][j] += x * load_any<width>(b + j * k + l);
    }
  }
  for (int i = 0; i < Rows; ++i) {
    for (int j = 0; j < Columns; ++j) {
      float sum = 0;
      for (int lane = 0; lane < width; ++lane) sum += sums[i][j][lane];
      for (std::int64_t rest = l; rest < k; ++rest) sum += a[i * k + rest] * b[j * k + rest];
      c[i * n + j] = sum;
    }
  }
}

template <int Rows>
void product_rows(std::int64_t n, std::int64_t k, const float* a, const float* b, float* c) {
  std::int64_t j = 0;
  for (; j + 4 <= n; j += 4) product_tile<Rows, 4>(n, k, a, b + j * k, c + j);
  for (; j < n; ++j) product_tile<Rows, 1>(n, k, a, b + j * k, c + j);
}

void products_of_rows(std::int64_t m, std::int64_t n, std::int64_t k, const float* a,
                      const float* b, float* c) {
  std::int64_t i = 0;
  for (; i + 4 <= m; i += 4) product_rows<4>(n, k, a + i * k, b, c + i * n);
  for (; i < m; ++i) product_rows<1>(n, k, a + i * k, b, c + i * n);
}

// `count` columns of Rows rows of c.
template <int Rows, class V>
void sum_columns(std::int64_t n, std::int64_t k, const float* a, std::int64_t row,
                 std::int64_t column, const float* b, float* c, V (*load_b)(const float*),
                 void (*store_c)(float*, V)) {
  V sums[Rows] = {};
  for (std::int64_t l = 0; l < k; ++l) {
    const V x = load_b(b + l * n);
    for (int i = 0; i < Rows; ++i) sums[i] += a[i * row + l * column] * x;
  }
  for (int i = 0; i < Rows; ++i) store_c(c + i * n, sums[i]);
}

float load_one(const float* from) {
  return *from;
}
void store_one(float* to, float value) {
  *to = value;
}

template <int Rows>
void sum_rows(std::int64_t n, std::int64_t k, const float* a, std::int64_t row, std::int64_t column,
              const float* b, float* c) {
  constexpr int width = native_width;
  std::int64_t j = 0;
  for (; j + width <= n; j += width) {
    sum_columns<Rows, Vector<width>>(n, k, a, row, column, b + j, c + j, load_any<width>,
                                     store_any<width>);
  }
  for (; j < n; ++j) {
    sum_columns<Rows, float>(n, k, a, row, column, b + j, c + j, load_one, store_one);
  }
}

void sums_of_rows(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t row,
                  std::int64_t column, const float* b, float* c) {
  std::int64_t i = 0;
  for (; i + 4 <= m; i += 4) sum_rows<4>(n, k, a + i * row, row, column, b, c + i * n);
  for (; i < m; ++i) sum_rows<1>(n, k, a + i * row, row, column, b, c + i * n);
}

}  // namespace

const RowLoops CONVOY_ISA::row_loops = {
    random_bits,      keep,        keep_chunks, local_response, local_response_gradient,
    products_of_rows, sums_of_rows};

}  // namespace convoy::onednn
