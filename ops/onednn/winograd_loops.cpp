// The transforms and products of Winograd's algorithm. Compiled once per instruction set, with
// CONVOY_ISA naming the namespace of the table that it defines. Includes nothing that has inline
// functions of external linkage, as loops.cpp does.
#include "ops/onednn/winograd_loops.h"

#include "ops/onednn/vector.h"

namespace convoy::onednn {
namespace {

// `multiply` keeps tiles x chunks of sums in registers, beside a chunk's weights and one input.
#ifdef __AVX512F__
constexpr int width = 16, register_chunks = 4;
#else
constexpr int width = 8, register_chunks = 2;
#endif
// `multiply_over_tiles` likewise, of input channels x chunks.
constexpr int register_channels = width / 2;
// Both read short runs of floats far apart, which no hardware foresees: they are asked for so many
// runs ahead. Measured with AVX2: up to 1.5 times as fast where windows outgrow the second cache.
constexpr int chunks_ahead = 4, groups_ahead = 2;

constexpr int tile = 4, window = 6, taps = 3;
static_assert(winograd_elements == window * window);
// Floats between elements, and between groups of tiles.
constexpr std::int64_t element_stride = winograd_group * width;
constexpr std::int64_t group_stride = winograd_elements * element_stride;
using V = Vector<width>;

V get(const float* from) {
  return load_any<width>(from);
}
void put(float* to, V value) {
  store_any<width>(to, value);
}
V all(float value) {
  return value - V{};  // + would have to turn -0 into 0
}

// The transforms of Lavin and Gray's F(4x4, 3x3), whose polynomials are evaluated at 0, 1, -1, 2,
// -2 and infinity, in one dimension. Pairs of opposite points share their even and odd parts.

// y = B^T x
void window_transform(const V (&x)[window], V (&y)[window]) {
  const V even = x[4] - 4.0f * x[2], odd = x[3] - 4.0f * x[1];
  const V even2 = x[4] - x[2], odd2 = 2.0f * (x[3] - x[1]);
  y[0] = 4.0f * x[0] - 5.0f * x[2] + x[4];
  y[1] = even + odd;
  y[2] = even - odd;
  y[3] = even2 + odd2;
  y[4] = even2 - odd2;
  y[5] = 4.0f * x[1] - 5.0f * x[3] + x[5];
}

// y = A^T x
void tile_inverse(const V (&x)[window], V (&y)[tile]) {
  const V sum = x[1] + x[2], difference = x[1] - x[2];
  const V sum2 = x[3] + x[4], difference2 = x[3] - x[4];
  y[0] = x[0] + sum + sum2;
  y[1] = difference + 2.0f * difference2;
  y[2] = sum + 4.0f * sum2;
  y[3] = difference + 8.0f * difference2 + x[5];
}

// y = A x
void tile_transform(const V (&x)[tile], V (&y)[window]) {
  const V even = x[0] + x[2], odd = x[1] + x[3];
  const V even2 = x[0] + 4.0f * x[2], odd2 = 2.0f * x[1] + 8.0f * x[3];
  y[0] = x[0];
  y[1] = even + odd;
  y[2] = even - odd;
  y[3] = even2 + odd2;
  y[4] = even2 - odd2;
  y[5] = x[3];
}

// y = G x
void filter_transform(const V (&x)[taps], V (&y)[window]) {
  const V even = (x[0] + x[2]) * (-1.0f / 6), odd = x[1] * (-1.0f / 6);
  const V even2 = x[0] * (1.0f / 24) + x[2] * (1.0f / 6), odd2 = x[1] * (1.0f / 12);
  y[0] = x[0] * 0.25f;
  y[1] = even + odd;
  y[2] = even - odd;
  y[3] = even2 + odd2;
  y[4] = even2 - odd2;
  y[5] = x[2];
}

// y = G^T x
void filter_inverse(const V (&x)[window], V (&y)[taps]) {
  const V sum = (x[1] + x[2]) * (-1.0f / 6), difference = (x[2] - x[1]) * (1.0f / 6);
  const V sum2 = x[3] + x[4], difference2 = x[3] - x[4];
  y[0] = x[0] * 0.25f + sum + sum2 * (1.0f / 24);
  y[1] = difference + difference2 * (1.0f / 12);
  y[2] = sum + sum2 * (1.0f / 6) + x[5];
}

// out = T in T^T, for a transform T from From to To elements: first down the columns, then along
// the rows. in(row, column) -> V, out(row, column, V).
template <int From, int To, class In, class Out>
inline __attribute__((always_inline)) void both_ways(void (*transform)(const V (&)[From],
                                                                       V (&)[To]),
                                                     const In& in, const Out& out) {
  V between[To][From];
#pragma GCC unroll 6
  for (int column = 0; column < From; ++column) {
    V x[From], y[To];
#pragma GCC unroll 6
    for (int row = 0; row < From; ++row) x[row] = in(row, column);
    transform(x, y);
#pragma GCC unroll 6
    for (int row = 0; row < To; ++row) between[row][column] = y[row];
  }
#pragma GCC unroll 6
  for (int row = 0; row < To; ++row) {
    V y[To];
    transform(between[row], y);
#pragma GCC unroll 6
    for (int column = 0; column < To; ++column) out(row, column, y[column]);
  }
}

// Where tile t's square of `size` pixels begins in the map, and what of it lies inside.
struct Square {
  std::int64_t offset;  // of its first pixel, in floats; may lie outside
  int first_row, end_row, first_column, end_column;  // inside
  bool whole(int size) const {
    return first_row == 0 && first_column == 0 && end_row == size && end_column == size;
  }
};

int clamp(std::int64_t value, int size) {
  return static_cast<int>(value < 0 ? 0 : value > size ? size : value);
}

Square square(const TiledMap& map, std::int64_t t, int size) {
  const std::int64_t image = t / (map.rows * map.columns), at = t % (map.rows * map.columns);
  const std::int64_t y = at / map.columns * tile - map.pad_top;
  const std::int64_t x = at % map.columns * tile - map.pad_left;
  return {image * map.chunks.image_stride + (y * map.width + x) * map.chunks.pixel_stride,
          clamp(-y, size), clamp(map.height - y, size), clamp(-x, size),
          clamp(map.width - x, size)};
}

template <int From, int To>
inline __attribute__((always_inline)) void transform_squares(
    void (*transform)(const V (&)[From], V (&)[To]), const TiledMap& map, std::int64_t chunk,
    std::int64_t first, std::int64_t count, const float* src, float* dst) {
  const std::int64_t column_stride = map.chunks.pixel_stride;
  const std::int64_t row_stride = map.width * column_stride;
  src += chunk * map.chunks.chunk_stride;
  for (std::int64_t t = 0; t < count; ++t) {
    const Square s = square(map, first + t, From);
    float* const to = dst + t / winograd_group * group_stride + t % winograd_group * width;
    const auto out = [&](int row, int column, V value) {
      store<width>(to + (row * To + column) * element_stride, value);
    };
    const auto pixel = [&](int row, int column) {
      return get(src + s.offset + row * row_stride + column * column_stride);
    };
    if (s.whole(From)) {
      both_ways<From, To>(transform, pixel, out);
      continue;
    }
    V pixels[From][From] = {};
    for (int row = s.first_row; row < s.end_row; ++row) {
      for (int column = s.first_column; column < s.end_column; ++column) {
        pixels[row][column] = pixel(row, column);
      }
    }
    both_ways<From, To>(
        transform, [&](int row, int column) { return pixels[row][column]; }, out);
  }
}

void transform_windows(const TiledMap& map, std::int64_t chunk, std::int64_t first,
                       std::int64_t count, const float* src, float* windows) {
  transform_squares<window, window>(window_transform, map, chunk, first, count, src, windows);
}

void transform_tiles(const TiledMap& map, std::int64_t chunk, std::int64_t first,
                     std::int64_t count, const float* src, float* tiles) {
  transform_squares<tile, window>(tile_transform, map, chunk, first, count, src, tiles);
}

void transform_filters(const float* weights, float* filters, std::int64_t filter_stride) {
  for (int i = 0; i < width; ++i, weights += width, filters += width) {
    both_ways<taps, window>(
        filter_transform,
        [&](int row, int column) { return get(weights + (row * taps + column) * width * width); },
        [&](int row, int column, V value) {
          put(filters + (row * window + column) * filter_stride, value);
        });
  }
}

void transform_turned_filters(const float* weights, float* filters, std::int64_t filter_stride) {
  alignas(64) float turned[taps * taps][width][width];
  for (int k = 0; k < taps * taps; ++k) {
    const float* from = weights + (taps * taps - 1 - k) * width * width;
    for (int i = 0; i < width; ++i) {
      for (int o = 0; o < width; ++o) turned[k][o][i] = from[i * width + o];
    }
  }
  transform_filters(turned[0][0], filters, filter_stride);
}

// The cache lines of so many floats, which need not begin one, and may lie behind the last.
template <int Floats>
inline void prefetch(const float* from) {
  constexpr int line = 16;
#pragma GCC unroll 8
  for (int at = 0; at <= Floats; at += line) __builtin_prefetch(from + at);
}

// Tiles x Chunks sums in registers.
template <int Tiles, int Chunks>
void multiply_block(std::int64_t in_chunks, std::int64_t chunk_stride, const float* windows,
                    const float* filters, float* sums) {
  const std::int64_t filter_stride = in_chunks * width * width;
  V acc[Tiles][Chunks] = {};
  for (std::int64_t chunk = 0; chunk < in_chunks; ++chunk, windows += chunk_stride) {
    prefetch<Tiles * width>(windows + chunks_ahead * chunk_stride);
    for (int i = 0; i < width; ++i, filters += width) {
      V w[Chunks];
#pragma GCC unroll 8
      for (int c = 0; c < Chunks; ++c) w[c] = load<width>(filters + c * filter_stride);
#pragma GCC unroll 8
      for (int t = 0; t < Tiles; ++t) {
        const V x = all(windows[t * width + i]);
#pragma GCC unroll 8
        for (int c = 0; c < Chunks; ++c) acc[t][c] = multiply_add(x, w[c], acc[t][c]);
      }
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < Chunks; ++c) {
#pragma GCC unroll 8
    for (int t = 0; t < Tiles; ++t) store<width>(sums + c * chunk_stride + t * width, acc[t][c]);
  }
}

// The last tiles, of which there are fewer than a block has.
template <int Tiles, int Chunks>
void multiply_rest(std::int64_t tiles, std::int64_t in_chunks, std::int64_t chunk_stride,
                   const float* windows, const float* filters, float* sums) {
  if constexpr (Tiles > 0) {
    if (tiles == Tiles) {
      return multiply_block<Tiles, Chunks>(in_chunks, chunk_stride, windows, filters, sums);
    }
    multiply_rest<Tiles - 1, Chunks>(tiles, in_chunks, chunk_stride, windows, filters, sums);
  }
}

template <int Chunks>
void multiply_chunks(std::int64_t in_chunks, std::int64_t tiles, std::int64_t chunk_stride,
                     const float* windows, const float* filters, float* sums) {
  std::int64_t t = 0;
  for (; t + winograd_group <= tiles; t += winograd_group) {
    multiply_block<winograd_group, Chunks>(in_chunks, chunk_stride, windows, filters, sums);
    windows += group_stride;
    sums += group_stride;
  }
  multiply_rest<winograd_group - 1, Chunks>(tiles - t, in_chunks, chunk_stride, windows, filters,
                                            sums);
}

void multiply(std::int64_t in_chunks, std::int64_t out_chunks, std::int64_t tiles,
              std::int64_t chunk_stride, const float* windows, const float* filters, float* sums) {
  const std::int64_t filter_stride = in_chunks * width * width;
  std::int64_t o = 0;
  for (; o + register_chunks <= out_chunks; o += register_chunks) {
    multiply_chunks<register_chunks>(in_chunks, tiles, chunk_stride, windows,
                                     filters + o * filter_stride, sums + o * chunk_stride);
  }
  for (; o < out_chunks; ++o) {
    multiply_chunks<1>(in_chunks, tiles, chunk_stride, windows, filters + o * filter_stride,
                       sums + o * chunk_stride);
  }
}

template <int Chunks>
void multiply_over_tiles_block(std::int64_t count, std::int64_t chunk_stride, const float* windows,
                               const float* tiles, float* filters, std::int64_t out_stride) {
  V acc[register_channels][Chunks] = {};
  for (; count > 0; count -= winograd_group, windows += group_stride, tiles += group_stride) {
    const std::int64_t some = count < winograd_group ? count : winograd_group;
    prefetch<winograd_group * width>(windows + groups_ahead * group_stride);
    for (std::int64_t t = 0; t < some; ++t) {
      V y[Chunks];
#pragma GCC unroll 8
      for (int c = 0; c < Chunks; ++c) y[c] = load<width>(tiles + c * chunk_stride + t * width);
#pragma GCC unroll 8
      for (int i = 0; i < register_channels; ++i) {
        const V x = all(windows[t * width + i]);
#pragma GCC unroll 8
        for (int c = 0; c < Chunks; ++c) acc[i][c] = multiply_add(x, y[c], acc[i][c]);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < register_channels; ++i) {
#pragma GCC unroll 8
    for (int c = 0; c < Chunks; ++c) store<width>(filters + c * out_stride + i * width, acc[i][c]);
  }
}

void multiply_over_tiles(std::int64_t in_chunks, std::int64_t out_chunks, std::int64_t count,
                         std::int64_t chunk_stride, const float* windows, const float* tiles,
                         float* filters) {
  const std::int64_t out_stride = in_chunks * width * width;
  for (std::int64_t o = 0; o < out_chunks;) {
    const bool pair = o + 2 <= out_chunks;
    const auto block = pair ? multiply_over_tiles_block<2> : multiply_over_tiles_block<1>;
    for (std::int64_t chunk = 0; chunk < in_chunks; ++chunk) {
      for (int i = 0; i < width; i += register_channels) {
        block(count, chunk_stride, windows + chunk * chunk_stride + i, tiles + o * chunk_stride,
              filters + o * out_stride + (chunk * width + i) * width, out_stride);
      }
    }
    o += pair ? 2 : 1;
  }
}

void finish_tiles(const TiledMap& map, std::int64_t chunk, std::int64_t first, std::int64_t count,
                  const float* sums, const WinogradFinish& finish, float* dst) {
  const std::int64_t column_stride = map.chunks.pixel_stride;
  const std::int64_t row_stride = map.width * column_stride;
  const V bias = finish.bias ? get(finish.bias + chunk * width) : V{};
  const V zero = {}, cap = all(finish.cap);
  dst += chunk * map.chunks.chunk_stride;
  for (std::int64_t t = 0; t < count; ++t) {
    const Square s = square(map, first + t, tile);
    const float* from = sums + t / winograd_group * group_stride + t % winograd_group * width;
    V y[tile][tile];
    both_ways<window, tile>(
        tile_inverse,
        [&](int row, int column) {
          return load<width>(from + (row * window + column) * element_stride);
        },
        [&](int row, int column, V value) { y[row][column] = value; });
    for (int row = 0; row < s.end_row; ++row) {
      for (int column = 0; column < s.end_column; ++column) {
        float* const at = dst + s.offset + row * row_stride + column * column_stride;
        V value = y[row][column] + bias;
        if (finish.add) value += get(at);
        if (finish.relu) {
          value = value < zero ? zero : value;  // so that what is not a number stays one
          value = value > cap ? cap : value;
        }
        put(at, value);
      }
    }
  }
}

void finish_filters(const float* filters, std::int64_t filter_stride, float* weights, bool add) {
  for (int i = 0; i < width; ++i, weights += width, filters += width) {
    both_ways<window, taps>(
        filter_inverse,
        [&](int row, int column) { return get(filters + (row * window + column) * filter_stride); },
        [&](int row, int column, V value) {
          float* const at = weights + (row * taps + column) * width * width;
          put(at, add ? get(at) + value : value);
        });
  }
}

void sum_pixels(const ChannelChunks& map, std::int64_t chunk, const float* src, float* sums) {
  double total[width] = {};
  for (std::int64_t n = 0; n < map.images; ++n) {
    const float* x = src + n * map.image_stride + chunk * map.chunk_stride;
    V sum[2] = {};
    for (std::int64_t p = 0; p < map.pixels; ++p, x += map.pixel_stride) sum[p % 2] += get(x);
    const V both = sum[0] + sum[1];
    for (int c = 0; c < width; ++c) total[c] += both[c];
  }
  for (int c = 0; c < width; ++c) sums[c] = static_cast<float>(total[c]);
}

}  // namespace

#define CONVOY_NAME(isa) "winograd:" #isa
#define CONVOY_NAME_OF(isa) CONVOY_NAME(isa)

const WinogradLoops CONVOY_ISA::winograd_loops = {CONVOY_NAME_OF(CONVOY_ISA),
                                                  width,
                                                  transform_windows,
                                                  transform_tiles,
                                                  transform_filters,
                                                  transform_turned_filters,
                                                  multiply,
                                                  multiply_over_tiles,
                                                  finish_tiles,
                                                  finish_filters,
                                                  sum_pixels};

}  // namespace convoy::onednn
