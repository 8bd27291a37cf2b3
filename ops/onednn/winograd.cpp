#include "ops/onednn/winograd.h"

namespace convoy::onednn {

// Measured with oneDNN 2.6 on AVX-512 (benchmarks/conv_bench.cpp), two single-threaded kernels at a
// time. With 32 channels or more on both sides Winograd takes 1.1 to 3 times less time, the more
// the wider; with 16 it gains or loses up to a half. What it loses by is the transformation of the
// weights, which is worth its while from a number of tiles on, whatever the channels.
bool winograd_is_faster(ConvPass pass, const Dims& src, const Dims& dst) {
  constexpr std::int64_t fewest_channels = 32, tile = 4;
  const std::int64_t fewest_tiles = pass == ConvPass::weight_gradient ? 16 : 32;
  const std::int64_t tiles = dst[0] * ((dst[2] + tile - 1) / tile) * ((dst[3] + tile - 1) / tile);
  return src[1] >= fewest_channels && dst[1] >= fewest_channels && tiles >= fewest_tiles;
}

}  // namespace convoy::onednn
