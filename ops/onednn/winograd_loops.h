// Our own loops for Winograd's minimal filtering F(4x4, 3x3): Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks" (2016), section 4.3. Compiled once per instruction set
// (winograd_loops.cpp), chosen at run time.
//
//   Y = A^T [(G g G^T) * (B^T d B)] A
//
// with d a window of 6 x 6 inputs, g a filter of 3 x 3 and Y a tile of 4 x 4 outputs; * is taken
// element by element and summed over input channels. So each of the 36 elements is a product of
// matrices of its own: windows x input channels by input channels x output channels.
//
// What is transformed lies so that each transform writes near and each product reads in a row:
//   windows, tiles, sums   [chunks][groups of tiles][36][winograd_group tiles][width channels]
//   filters                [36][output chunks][input channels][width output channels]
// where filter_stride floats lie between two of the 36 filters, never a multiple of a page: they
// would fight for the same lines of the cache.
#pragma once

#include <cstdint>
#include <limits>

#include "ops/onednn/loops.h"

namespace convoy::onednn {

// A convolution's inputs or outputs, and how tiles cover them. Tile t is number t % (rows *
// columns) of image t / (rows * columns), row by row.
struct TiledMap {
  ChannelChunks chunks;
  std::int64_t height = 0, width = 0;      // of the map, in pixels
  std::int64_t rows = 0, columns = 0;      // of tiles
  std::int64_t pad_top = 0, pad_left = 0;  // the first tile begins so far outside
};

// What follows the sums.
struct WinogradFinish {
  const float* bias = nullptr;  // [channels], or null
  bool add = false;             // to what the map holds
  bool relu = false;            // then max(0, .), but nothing above the cap
  float cap = std::numeric_limits<float>::infinity();
};

// Tiles of a group; what the last one lacks is neither read nor written.
inline constexpr int winograd_group = 6;
inline constexpr int winograd_elements = 36;

struct WinogradLoops {
  const char* name;
  int width;  // of a vector, in floats

  // B^T d B of one chunk of tiles [first, first + count). `windows` is that chunk's.
  void (*transform_windows)(const TiledMap& map, std::int64_t chunk, std::int64_t first,
                            std::int64_t count, const float* src, float* windows);
  // A y A^T likewise, of tiles of 4 x 4.
  void (*transform_tiles)(const TiledMap& map, std::int64_t chunk, std::int64_t first,
                          std::int64_t count, const float* src, float* tiles);
  // G g G^T of `weights`, a block of filters [3][3][width input channels][width output channels],
  // into width rows of `filters`.
  void (*transform_filters)(const float* weights, float* filters, std::int64_t filter_stride);
  // The same for the gradient by the inputs: turned by half a circle, inputs and outputs swapped.
  void (*transform_turned_filters)(const float* weights, float* filters,
                                   std::int64_t filter_stride);
  // sums[o][t] = sum over input channels of windows[i][t] * filters[o][i], of one element, for
  // `out_chunks` chunks of outputs and `tiles` tiles. Between chunks of windows, and of sums, lie
  // `chunk_stride` floats.
  void (*multiply)(std::int64_t in_chunks, std::int64_t out_chunks, std::int64_t tiles,
                   std::int64_t chunk_stride, const float* windows, const float* filters,
                   float* sums);
  // filters[o][i] = sum over tiles of windows[i][t] * tiles[o][t], of one element.
  void (*multiply_over_tiles)(std::int64_t in_chunks, std::int64_t out_chunks, std::int64_t count,
                              std::int64_t chunk_stride, const float* windows, const float* tiles,
                              float* filters);
  // A^T m A of one chunk of tiles [first, first + count), into the map.
  void (*finish_tiles)(const TiledMap& map, std::int64_t chunk, std::int64_t first,
                       std::int64_t count, const float* sums, const WinogradFinish& finish,
                       float* dst);
  // G^T u G of width rows of `filters`, into a block of filters, or added to it.
  void (*finish_filters)(const float* filters, std::int64_t filter_stride, float* weights,
                         bool add);
  // Over images and pixels of one chunk.
  void (*sum_pixels)(const ChannelChunks& map, std::int64_t chunk, const float* src, float* sums);
};

namespace portable {
extern const WinogradLoops winograd_loops;
}
namespace avx2 {
extern const WinogradLoops winograd_loops;
}
namespace avx512 {
extern const WinogradLoops winograd_loops;
}

// For this processor.
const WinogradLoops& best_winograd_loops();

}  // namespace convoy::onednn
