// Our own loops over feature maps, where fusing beats the library: batch normalisation with what
// follows it, in as few passes over memory as there can be. Compiled once per instruction set
// (loops.cpp), chosen at run time.
#pragma once

#include <cstddef>
#include <cstdint>

namespace convoy::onednn {

// How a feature map [N, C, H, W] lies in memory: chunks of `width` (8 or 16) neighbouring channels.
//   element (n, c, p) = n * image_stride + (c / width) * chunk_stride + p * pixel_stride + c %
//   width,  p = y * W + x
struct ChannelChunks {
  int width = 0;
  std::int64_t images = 0, channels = 0, chunks = 0, pixels = 0;
  std::int64_t image_stride = 0, chunk_stride = 0, pixel_stride = 0;  // floats
};

inline constexpr int max_width = 16;

// Where results were cut off in the forward pass.
enum class ReluMask {
  none,
  from_dst,  // dst <= 0 or dst >= cap
  from_src,  // likewise of src * scale + shift: saves reading dst
};

// Backward over one chunk. Per-channel arrays have `width` entries; the pointers are the whole
// tensors.
struct NormGradient {
  ReluMask mask = ReluMask::none;
  float cap = 0;  // of the mask
  const float* src = nullptr;
  const float* dst = nullptr;  // for ReluMask::from_dst
  const float* diff_dst = nullptr;
  const float* diff_dst_also = nullptr;  // added to diff_dst, or null
  float* diff_sum =
      nullptr;  // receives (diff_dst + diff_dst_also) where the mask lets it through, or null
  const float* scale = nullptr;  // for ReluMask::from_src
  const float* shift = nullptr;
  const float* mean = nullptr;
};

struct Loops {
  // dst = a + b
  void (*add)(float* dst, const float* a, const float* b, std::size_t count);
  // Behind a ReLU, in place: diff_dst [+= also, if not null], and zero where dst <= 0.
  void (*relu_gradient)(float* diff_dst, const float* also, const float* dst, std::size_t count);
  // Mean and biased variance of each channel of a chunk: one pass, sums relative to the channel's
  // first pixel, in float32 per image plane and float64 over images.
  void (*statistics)(const ChannelChunks& map, std::int64_t chunk, const float* src, float* mean,
                     float* variance);
  // dst = src * scale + shift [+ other], [cut to [0, cap]]
  void (*normalize)(const ChannelChunks& map, std::int64_t chunk, const float* src,
                    const float* other, float* dst, const float* scale, const float* shift,
                    bool relu, float cap);
  // Per channel: sum of g and of g * (src - mean), where g is the gradient behind the mask; writes
  // g to diff_sum if asked.
  void (*gradient_sums)(const ChannelChunks& map, std::int64_t chunk, const NormGradient& gradient,
                        double* sum, double* product);
  // diff_src = factor * g - constant - slope * (src - mean).
  void (*gradient)(const ChannelChunks& map, std::int64_t chunk, const NormGradient& gradient,
                   float* diff_src, const float* factor, const float* constant, const float* slope);
};

namespace portable {
extern const Loops loops;
}
namespace avx2 {
extern const Loops loops;
}
namespace avx512 {
extern const Loops loops;
}

// For this processor.
const Loops& best_loops();

}  // namespace convoy::onednn
