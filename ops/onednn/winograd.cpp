#include "ops/onednn/winograd.h"

#include <omp.h>

#include <algorithm>

namespace convoy::onednn {
namespace {

constexpr std::int64_t tile = 4, taps = 3, elements = winograd_elements;
// Chunks of sums that lie between two transforms at once.
constexpr std::int64_t group = 4;

std::int64_t tiles_over(std::int64_t pixels) {
  return (pixels + tile - 1) / tile;
}
std::int64_t tiles_of(const TiledMap& map) {
  return map.chunks.images * map.rows * map.columns;
}

std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
// Of windows or sums of a block. This stride and the next are a cache line longer than needed: a
// power of two would have all chunks, or all elements, fight for the same lines of the cache.
std::int64_t floats_of_chunk(std::int64_t block, int width) {
  return (round_up(block, winograd_group) * elements + 1) * width;
}
std::int64_t stride_of_filters(std::int64_t out_chunks, std::int64_t in_chunks, int width) {
  return (out_chunks * in_chunks * width + 1) * width;
}

// How tiles of the outputs lie in the outputs, and their windows in the inputs.
TiledMap tiled(const ChannelChunks& chunks, std::int64_t height, std::int64_t width,
               std::int64_t out_height, std::int64_t out_width, std::int64_t pad_top,
               std::int64_t pad_left) {
  return {.chunks = chunks,
          .height = height,
          .width = width,
          .rows = tiles_over(out_height),
          .columns = tiles_over(out_width),
          .pad_top = pad_top,
          .pad_left = pad_left};
}

}  // namespace

// Measured with the instructions of AVX-512, AVX2 and SSE4.1 (benchmarks/conv_bench.cpp), two
// single-threaded kernels at a time. It mostly takes 1.2 to 2.9 times less time, whatever the
// channels, once there are tiles enough to pay for the transformation of the weights. Tiles that
// stick out far gain nothing.
bool winograd_is_faster(ConvPass pass, const Dims& dst) {
  const std::int64_t fewest_tiles = pass == ConvPass::weight_gradient ? 8 : 16;
  const std::int64_t tiles = dst[0] * tiles_over(dst[2]) * tiles_over(dst[3]);
  const std::int64_t pixels = dst[0] * dst[2] * dst[3];
  return tiles >= fewest_tiles && pixels >= tiles * tile * tile / 2;
}

MemoryDesc winograd_weights(const Context& context, const ConvShape& shape) {
  using Tag = dnnl::memory::format_tag;
  return MemoryDesc(dims_of(shape.weights), dnnl::memory::data_type::f32,
                    context.simd_width() == 16 ? Tag::OIhw16i16o : Tag::OIhw8i8o);
}

std::optional<WinogradShape> winograd_shape(const Context& context, const ConvShape& shape) {
  const Dims weights = dims_of(shape.weights), src = dims_of(shape.src), dst = dims_of(shape.dst);
  const std::int64_t width = context.simd_width();
  const auto most = [](const Dims& values) { return *std::ranges::max_element(values); };
  if (weights.size() != 4 || weights[2] != taps || weights[3] != taps || most(shape.strides) > 1 ||
      most(shape.dilates) > 0 || most(shape.pad_before) >= taps || most(shape.pad_after) >= taps ||
      src[1] % width != 0 || dst[1] % width != 0) {
    return std::nullopt;
  }
  const auto src_chunks = context.chunks_of(shape.src), dst_chunks = context.chunks_of(shape.dst);
  if (!src_chunks || !dst_chunks || src_chunks->width != width || dst_chunks->width != width) {
    return std::nullopt;
  }
  return WinogradShape{.src = *src_chunks,
                       .dst = *dst_chunks,
                       .src_height = src[2],
                       .src_width = src[3],
                       .dst_height = dst[2],
                       .dst_width = dst[3],
                       .pad_top = shape.pad_before[0],
                       .pad_left = shape.pad_before[1],
                       .threads = context.threads()};
}

WinogradConv::WinogradConv(const WinogradShape& s, ConvPass pass)
    : loops_(best_winograd_loops()), pass_(pass), threads_(s.threads) {
  if (pass == ConvPass::forward) {
    in_ = tiled(s.src, s.src_height, s.src_width, s.dst_height, s.dst_width, s.pad_top, s.pad_left);
    out_ = tiled(s.dst, s.dst_height, s.dst_width, s.dst_height, s.dst_width, 0, 0);
  } else {
    in_ = tiled(s.dst, s.dst_height, s.dst_width, s.src_height, s.src_width, taps - 1 - s.pad_top,
                taps - 1 - s.pad_left);
    out_ = tiled(s.src, s.src_height, s.src_width, s.src_height, s.src_width, 0, 0);
  }
  tiles_ = tiles_of(out_);
  group_ = std::min(group, out_.chunks.chunks);
  // A block's windows should stay in the cache while they are multiplied.
  const std::int64_t liked = in_.chunks.channels <= 128 ? 48 : 96;
  by_groups_ = out_.chunks.chunks >= 2 * group && tiles_ <= 4 * liked;
  block_ = std::min(liked, by_groups_ ? tiles_ : (tiles_ + threads_ - 1) / threads_);
  chunk_stride_ = floats_of_chunk(block_, loops_.width);
  filter_stride_ =
      stride_of_filters(by_groups_ ? group_ : out_.chunks.chunks, in_.chunks.chunks, loops_.width);
}

std::size_t WinogradConv::scratchpad() const {
  const std::int64_t filters = elements * filter_stride_, sums = group_ * chunk_stride_;
  const std::int64_t windows = in_.chunks.chunks * chunk_stride_;
  const std::int64_t floats =
      by_groups_ ? windows + threads_ * (filters + sums) : filters + threads_ * (windows + sums);
  return static_cast<std::size_t>(floats) * sizeof(float);
}

void WinogradConv::run(const float* in, const float* weights, const WinogradFinish& finish,
                       float* out, float* scratchpad) const {
  if (by_groups_) {
    run_groups(in, weights, finish, out, scratchpad);
  } else {
    run_blocks(in, weights, finish, out, scratchpad);
  }
}

void WinogradConv::run_blocks(const float* in, const float* weights, const WinogradFinish& finish,
                              float* out, float* scratchpad) const {
  const std::int64_t in_chunks = in_.chunks.chunks, out_chunks = out_.chunks.chunks;
  float* const filters = scratchpad;
#pragma omp parallel num_threads(threads_) if (threads_ > 1)
  {
    float* const windows = filters + elements * filter_stride_ +
                           omp_get_thread_num() * (in_chunks + group_) * chunk_stride_;
    float* const sums = windows + in_chunks * chunk_stride_;
#pragma omp for
    for (std::int64_t o = 0; o < out_chunks; ++o) {
      transform_filters(weights, o, o + 1, filters + o * in_chunks * square());
    }
#pragma omp for
    for (std::int64_t first = 0; first < tiles_; first += block_) {
      for (std::int64_t i = 0; i < in_chunks; ++i) transform_windows(i, first, in, windows);
      for (std::int64_t o = 0; o < out_chunks; o += group_) {
        multiply(o, std::min(o + group_, out_chunks), first, windows,
                 filters + o * in_chunks * square(), finish, sums, out);
      }
    }
  }
}

void WinogradConv::run_groups(const float* in, const float* weights, const WinogradFinish& finish,
                              float* out, float* scratchpad) const {
  const std::int64_t in_chunks = in_.chunks.chunks, out_chunks = out_.chunks.chunks;
  float* const windows = scratchpad;
#pragma omp parallel num_threads(threads_) if (threads_ > 1)
  {
    float* const filters =
        windows + in_chunks * chunk_stride_ +
        omp_get_thread_num() * (elements * filter_stride_ + group_ * chunk_stride_);
    float* const sums = filters + elements * filter_stride_;
    for (std::int64_t first = 0; first < tiles_; first += block_) {
#pragma omp for
      for (std::int64_t i = 0; i < in_chunks; ++i) transform_windows(i, first, in, windows);
#pragma omp for
      for (std::int64_t o = 0; o < out_chunks; o += group_) {
        const std::int64_t end = std::min(o + group_, out_chunks);
        transform_filters(weights, o, end, filters);
        multiply(o, end, first, windows, filters, finish, sums, out);
      }
    }
  }
}

void WinogradConv::transform_filters(const float* weights, std::int64_t first, std::int64_t end,
                                     float* filters) const {
  const std::int64_t in_chunks = in_.chunks.chunks, out_chunks = out_.chunks.chunks;
  for (std::int64_t o = first; o < end; ++o) {
    for (std::int64_t i = 0; i < in_chunks; ++i, filters += square()) {
      if (pass_ == ConvPass::forward) {
        loops_.transform_filters(weights + (o * in_chunks + i) * taps * taps * square(), filters,
                                 filter_stride_);
      } else {
        loops_.transform_turned_filters(weights + (i * out_chunks + o) * taps * taps * square(),
                                        filters, filter_stride_);
      }
    }
  }
}

void WinogradConv::transform_windows(std::int64_t chunk, std::int64_t first, const float* in,
                                     float* windows) const {
  loops_.transform_windows(in_, chunk, first, std::min(block_, tiles_ - first), in,
                           windows + chunk * chunk_stride_);
}

void WinogradConv::multiply(std::int64_t o, std::int64_t end, std::int64_t first,
                            const float* windows, const float* filters,
                            const WinogradFinish& finish, float* sums, float* out) const {
  const std::int64_t count = std::min(block_, tiles_ - first);
  for (std::int64_t e = 0; e < elements; ++e) {
    const std::int64_t offset = e * winograd_group * loops_.width;
    loops_.multiply(in_.chunks.chunks, end - o, count, chunk_stride_, windows + offset,
                    filters + e * filter_stride_, sums + offset);
  }
  for (; o < end; ++o, sums += chunk_stride_) {
    loops_.finish_tiles(out_, o, first, count, sums, finish, out);
  }
}

WinogradWeightGradient::WinogradWeightGradient(const WinogradShape& s)
    : loops_(best_winograd_loops()),
      src_(tiled(s.src, s.src_height, s.src_width, s.dst_height, s.dst_width, s.pad_top,
                 s.pad_left)),
      dst_(tiled(s.dst, s.dst_height, s.dst_width, s.dst_height, s.dst_width, 0, 0)),
      threads_(s.threads),
      tiles_(tiles_of(dst_)) {
  // Independent of threads, since sums over blocks are rounded block by block.
  block_ = std::min<std::int64_t>(96, tiles_);
  chunk_stride_ = floats_of_chunk(block_, loops_.width);
  filter_stride_ = stride_of_filters(std::min(group, dst_.chunks.chunks),
                                     std::min(group, src_.chunks.chunks), loops_.width);
}

std::size_t WinogradWeightGradient::scratchpad() const {
  const std::int64_t chunks = src_.chunks.chunks + dst_.chunks.chunks;
  return static_cast<std::size_t>(chunks * chunk_stride_ + threads_ * elements * filter_stride_) *
         sizeof(float);
}

void WinogradWeightGradient::run(const float* src, const float* diff_dst, float* diff_weights,
                                 float* diff_bias, float* scratchpad) const {
  const std::int64_t in_chunks = src_.chunks.chunks, out_chunks = dst_.chunks.chunks;
  float* const windows = scratchpad;
  float* const tiles = windows + in_chunks * chunk_stride_;
#pragma omp parallel num_threads(threads_) if (threads_ > 1)
  {
    float* const filters =
        tiles + out_chunks * chunk_stride_ + omp_get_thread_num() * elements * filter_stride_;
    for (std::int64_t first = 0; first < tiles_; first += block_) {
      const std::int64_t count = std::min(block_, tiles_ - first);
#pragma omp for nowait
      for (std::int64_t i = 0; i < in_chunks; ++i) {
        loops_.transform_windows(src_, i, first, count, src, windows + i * chunk_stride_);
      }
#pragma omp for
      for (std::int64_t o = 0; o < out_chunks; ++o) {
        loops_.transform_tiles(dst_, o, first, count, diff_dst, tiles + o * chunk_stride_);
      }
#pragma omp for collapse(2)
      for (std::int64_t o = 0; o < out_chunks; o += group) {
        for (std::int64_t i = 0; i < in_chunks; i += group) {
          multiply(i, o, first, windows, tiles, filters, diff_weights);
        }
      }
    }
    if (diff_bias) {
#pragma omp for
      for (std::int64_t o = 0; o < out_chunks; ++o) {
        loops_.sum_pixels(dst_.chunks, o, diff_dst, diff_bias + o * loops_.width);
      }
    }
  }
}

// Of a group of input chunks from i and of output chunks from o.
void WinogradWeightGradient::multiply(std::int64_t i, std::int64_t o, std::int64_t first,
                                      const float* windows, const float* tiles, float* filters,
                                      float* diff_weights) const {
  const std::int64_t in_chunks = src_.chunks.chunks, square = loops_.width * loops_.width;
  const std::int64_t ins = std::min(group, in_chunks - i);
  const std::int64_t outs = std::min(group, dst_.chunks.chunks - o);
  for (std::int64_t e = 0; e < elements; ++e) {
    const std::int64_t offset = e * winograd_group * loops_.width;
    loops_.multiply_over_tiles(ins, outs, std::min(block_, tiles_ - first), chunk_stride_,
                               windows + i * chunk_stride_ + offset,
                               tiles + o * chunk_stride_ + offset, filters + e * filter_stride_);
  }
  for (std::int64_t a = 0; a < outs; ++a) {
    for (std::int64_t b = 0; b < ins; ++b) {
      const std::int64_t block = (o + a) * in_chunks + i + b;
      loops_.finish_filters(filters + (a * ins + b) * square, filter_stride_,
                            diff_weights + block * taps * taps * square, first > 0);
    }
  }
}

}  // namespace convoy::onednn
