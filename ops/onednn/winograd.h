// Passes of a dense 3x3 convolution of stride 1 by Winograd's minimal filtering F(4x4, 3x3)
// (winograd_loops.h): 36 multiplications for 16 outputs instead of 144, paid for by transforming
// tiles of the feature maps in and out.
#pragma once

#include <cstddef>
#include <optional>

#include "ops/onednn/descriptors.h"
#include "ops/onednn/memory.h"
#include "ops/onednn/winograd_loops.h"

namespace convoy::onednn {

enum class ConvPass { forward, source_gradient, weight_gradient };

// Whether Winograd's algorithm is faster than the library's direct kernel on one thread. `dst`:
// [N, C, H, W] of the forward pass. A rule over shapes, not a measurement at start-up: every rank
// and every resumed run must choose alike, or their last bits would differ.
bool winograd_is_faster(ConvPass pass, const Dims& dst);

// The weights as the passes read and write them: blocks of [3][3][width inputs][width outputs].
MemoryDesc winograd_weights(const Context& context, const ConvShape& shape);

// The two feature maps of a convolution that the loops can run.
struct WinogradShape {
  ChannelChunks src, dst;
  std::int64_t src_height, src_width, dst_height, dst_width;
  std::int64_t pad_top, pad_left;
  int threads;
};
// Nothing for other convolutions, or layouts that the loops do not know.
std::optional<WinogradShape> winograd_shape(const Context& context, const ConvShape& shape);

// The forward pass, or the gradient by the source, which is a convolution too.
class WinogradConv {
 public:
  WinogradConv(const WinogradShape& shape, ConvPass pass);

  std::size_t scratchpad() const;  // in bytes
  // `finish`: of the forward pass. The same bits for any number of threads.
  void run(const float* in, const float* weights, const WinogradFinish& finish, float* out,
           float* scratchpad) const;

 private:
  // One thread takes a block through all output channels, with all filters at hand; or, where there
  // are few blocks and many filters, some output channels through a block, whose filters are
  // transformed anew for each: they would not stay in the cache.
  void run_blocks(const float* in, const float* weights, const WinogradFinish& finish, float* out,
                  float* scratchpad) const;
  void run_groups(const float* in, const float* weights, const WinogradFinish& finish, float* out,
                  float* scratchpad) const;
  std::int64_t square() const { return std::int64_t{loops_.width} * loops_.width; }
  // Of output chunks [first, end).
  void transform_filters(const float* weights, std::int64_t first, std::int64_t end,
                         float* filters) const;
  void transform_windows(std::int64_t chunk, std::int64_t first, const float* in,
                         float* windows) const;
  // Of output chunks [o, end) and the block that begins at tile `first`.
  void multiply(std::int64_t o, std::int64_t end, std::int64_t first, const float* windows,
                const float* filters, const WinogradFinish& finish, float* sums, float* out) const;

  const WinogradLoops& loops_;
  ConvPass pass_;
  TiledMap in_, out_;
  int threads_;
  std::int64_t tiles_, block_;  // all, and those of a block
  std::int64_t group_;          // output chunks that are multiplied at once
  bool by_groups_;
  std::int64_t chunk_stride_;  // between chunks of windows or sums, in floats
  std::int64_t filter_stride_;
};

class WinogradWeightGradient {
 public:
  explicit WinogradWeightGradient(const WinogradShape& shape);

  std::size_t scratchpad() const;  // in bytes
  // `diff_bias`: [output channels], or null. The same bits for any number of threads.
  void run(const float* src, const float* diff_dst, float* diff_weights, float* diff_bias,
           float* scratchpad) const;

 private:
  void multiply(std::int64_t i, std::int64_t o, std::int64_t first, const float* windows,
                const float* tiles, float* filters, float* diff_weights) const;

  const WinogradLoops& loops_;
  TiledMap src_, dst_;
  int threads_;
  std::int64_t tiles_, block_, chunk_stride_, filter_stride_;
};

}  // namespace convoy::onednn
