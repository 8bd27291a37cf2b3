// Compiled once per instruction set, with CONVOY_ISA naming the namespace of the table that it
// defines. Includes nothing that has inline functions of external linkage, so that no code for a
// newer processor can end up in a shared one.
#include "ops/onednn/loops.h"

#include "ops/onednn/vector.h"

namespace convoy::onednn {
namespace {

template <int Width>
Vector<Width> load_channels(const float* from) {
  Vector<Width> value;
  for (int c = 0; c < Width; ++c) value[c] = from[c];
  return value;
}
template <int Width>
void accumulate(double* sums, Vector<Width> values) {
  for (int c = 0; c < Width; ++c) sums[c] += values[c];
}

void add(float* dst, const float* a, const float* b, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) dst[i] = a[i] + b[i];
}

void relu_gradient(float* diff_dst, const float* also, const float* dst, std::size_t count) {
  if (also) {
    for (std::size_t i = 0; i < count; ++i) diff_dst[i] = dst[i] > 0 ? diff_dst[i] + also[i] : 0.0f;
  } else {
    for (std::size_t i = 0; i < count; ++i) diff_dst[i] = dst[i] > 0 ? diff_dst[i] : 0.0f;
  }
}

// Four accumulators hide the latency of an addition.
constexpr int unroll = 4;

template <int Width>
void statistics(const ChannelChunks& map, std::int64_t chunk, const float* src, float* mean,
                float* variance) {
  using V = Vector<Width>;
  const V origin = load<Width>(src + chunk * map.chunk_stride);
  double sum[Width] = {}, square[Width] = {};
  for (std::int64_t n = 0; n < map.images; ++n) {
    const float* x = src + n * map.image_stride + chunk * map.chunk_stride;
    V s[unroll] = {}, q[unroll] = {};
    std::int64_t p = 0;
    for (; p + unroll <= map.pixels; p += unroll) {
      for (int u = 0; u < unroll; ++u, x += map.pixel_stride) {
        const V v = load<Width>(x) - origin;
        s[u] += v;
        q[u] += v * v;
      }
    }
    for (; p < map.pixels; ++p, x += map.pixel_stride) {
      const V v = load<Width>(x) - origin;
      s[0] += v;
      q[0] += v * v;
    }
    accumulate<Width>(sum, (s[0] + s[1]) + (s[2] + s[3]));
    accumulate<Width>(square, (q[0] + q[1]) + (q[2] + q[3]));
  }
  const double count = static_cast<double>(map.images * map.pixels);
  for (int c = 0; c < Width; ++c) {
    const double offset = sum[c] / count;
    const double spread = square[c] / count - offset * offset;
    mean[c] = static_cast<float>(origin[c] + offset);
    variance[c] = spread < 0 ? 0.0f : static_cast<float>(spread);
  }
}

template <int Width, bool Other, bool Relu>
void normalize_chunk(const ChannelChunks& map, std::int64_t chunk, const float* src,
                     const float* other, float* dst, const float* scale, const float* shift,
                     float cap) {
  using V = Vector<Width>;
  const V a = load_channels<Width>(scale), b = load_channels<Width>(shift), zero = {};
  const V most = zero + cap;
  for (std::int64_t n = 0; n < map.images; ++n) {
    std::int64_t at = n * map.image_stride + chunk * map.chunk_stride;
    for (std::int64_t p = 0; p < map.pixels; ++p, at += map.pixel_stride) {
      V z = load<Width>(src + at) * a + b;
      if constexpr (Other) z += load<Width>(other + at);
      if constexpr (Relu) {
        z = z < zero ? zero : z;  // so that what is not a number stays one
        z = z > most ? most : z;
      }
      store<Width>(dst + at, z);
    }
  }
}

template <int Width>
void normalize(const ChannelChunks& map, std::int64_t chunk, const float* src, const float* other,
               float* dst, const float* scale, const float* shift, bool relu, float cap) {
  if (other) {
    if (relu)
      return normalize_chunk<Width, true, true>(map, chunk, src, other, dst, scale, shift, cap);
    return normalize_chunk<Width, true, false>(map, chunk, src, other, dst, scale, shift, cap);
  }
  if (relu)
    return normalize_chunk<Width, false, true>(map, chunk, src, other, dst, scale, shift, cap);
  normalize_chunk<Width, false, false>(map, chunk, src, other, dst, scale, shift, cap);
}

// The gradient behind the mask at one pixel.
template <int Width, ReluMask Mask>
Vector<Width> behind_mask(const NormGradient& g, std::int64_t at, Vector<Width> x,
                          Vector<Width> scale, Vector<Width> shift) {
  using V = Vector<Width>;
  const V zero = {}, cap = zero + g.cap;
  V dz = load<Width>(g.diff_dst + at);
  if (g.diff_dst_also) dz += load<Width>(g.diff_dst_also + at);
  if constexpr (Mask == ReluMask::none) return dz;
  V z;
  if constexpr (Mask == ReluMask::from_dst) z = load<Width>(g.dst + at);
  if constexpr (Mask == ReluMask::from_src) z = x * scale + shift;
  return (z > zero) & (z < cap) ? dz : zero;
}

template <int Width, ReluMask Mask>
void gradient_sums_chunk(const ChannelChunks& map, std::int64_t chunk, const NormGradient& g,
                         double* sum, double* product) {
  using V = Vector<Width>;
  V scale = {}, shift = {};
  if constexpr (Mask == ReluMask::from_src) {
    scale = load_channels<Width>(g.scale);
    shift = load_channels<Width>(g.shift);
  }
  const V mean = load_channels<Width>(g.mean);
  for (std::int64_t n = 0; n < map.images; ++n) {
    std::int64_t at = n * map.image_stride + chunk * map.chunk_stride;
    V s[unroll] = {}, q[unroll] = {};
    const auto visit = [&](int u) {
      const V x = load<Width>(g.src + at);
      const V dz = behind_mask<Width, Mask>(g, at, x, scale, shift);
      if (g.diff_sum) store<Width>(g.diff_sum + at, dz);
      s[u] += dz;
      q[u] += dz * (x - mean);
      at += map.pixel_stride;
    };
    std::int64_t p = 0;
    for (; p + unroll <= map.pixels; p += unroll) {
      for (int u = 0; u < unroll; ++u) visit(u);
    }
    for (; p < map.pixels; ++p) visit(0);
    accumulate<Width>(sum, (s[0] + s[1]) + (s[2] + s[3]));
    accumulate<Width>(product, (q[0] + q[1]) + (q[2] + q[3]));
  }
}

template <int Width, ReluMask Mask>
void gradient_chunk(const ChannelChunks& map, std::int64_t chunk, const NormGradient& g,
                    float* diff_src, const float* factor, const float* constant,
                    const float* slope) {
  using V = Vector<Width>;
  V scale = {}, shift = {};
  if constexpr (Mask == ReluMask::from_src) {
    scale = load_channels<Width>(g.scale);
    shift = load_channels<Width>(g.shift);
  }
  const V mean = load_channels<Width>(g.mean), f = load_channels<Width>(factor),
          k = load_channels<Width>(constant), m = load_channels<Width>(slope);
  for (std::int64_t n = 0; n < map.images; ++n) {
    std::int64_t at = n * map.image_stride + chunk * map.chunk_stride;
    for (std::int64_t p = 0; p < map.pixels; ++p, at += map.pixel_stride) {
      const V x = load<Width>(g.src + at);
      const V dz = behind_mask<Width, Mask>(g, at, x, scale, shift);
      store<Width>(diff_src + at, f * dz - k - m * (x - mean));
    }
  }
}

template <int Width>
void gradient_sums(const ChannelChunks& map, std::int64_t chunk, const NormGradient& g, double* sum,
                   double* product) {
  switch (g.mask) {
    case ReluMask::none:
      return gradient_sums_chunk<Width, ReluMask::none>(map, chunk, g, sum, product);
    case ReluMask::from_dst:
      return gradient_sums_chunk<Width, ReluMask::from_dst>(map, chunk, g, sum, product);
    case ReluMask::from_src:
      return gradient_sums_chunk<Width, ReluMask::from_src>(map, chunk, g, sum, product);
  }
}

template <int Width>
void gradient(const ChannelChunks& map, std::int64_t chunk, const NormGradient& g, float* diff_src,
              const float* factor, const float* constant, const float* slope) {
  switch (g.mask) {
    case ReluMask::none:
      return gradient_chunk<Width, ReluMask::none>(map, chunk, g, diff_src, factor, constant,
                                                   slope);
    case ReluMask::from_dst:
      return gradient_chunk<Width, ReluMask::from_dst>(map, chunk, g, diff_src, factor, constant,
                                                       slope);
    case ReluMask::from_src:
      return gradient_chunk<Width, ReluMask::from_src>(map, chunk, g, diff_src, factor, constant,
                                                       slope);
  }
}

// The width is a property of the map, the code a property of the width.
void any_statistics(const ChannelChunks& map, std::int64_t chunk, const float* src, float* mean,
                    float* variance) {
  (map.width == 16 ? statistics<16> : statistics<8>)(map, chunk, src, mean, variance);
}
void any_normalize(const ChannelChunks& map, std::int64_t chunk, const float* src,
                   const float* other, float* dst, const float* scale, const float* shift,
                   bool relu, float cap) {
  (map.width == 16 ? normalize<16> : normalize<8>)(map, chunk, src, other, dst, scale, shift, relu,
                                                   cap);
}
void any_gradient_sums(const ChannelChunks& map, std::int64_t chunk, const NormGradient& g,
                       double* sum, double* product) {
  (map.width == 16 ? gradient_sums<16> : gradient_sums<8>)(map, chunk, g, sum, product);
}
void any_gradient(const ChannelChunks& map, std::int64_t chunk, const NormGradient& g,
                  float* diff_src, const float* factor, const float* constant, const float* slope) {
  (map.width == 16 ? gradient<16> : gradient<8>)(map, chunk, g, diff_src, factor, constant, slope);
}

}  // namespace

const Loops CONVOY_ISA::loops = {add,           relu_gradient,     any_statistics,
                                 any_normalize, any_gradient_sums, any_gradient};

}  // namespace convoy::onednn
