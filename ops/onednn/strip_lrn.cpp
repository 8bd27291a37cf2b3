// Local response normalisation by our own loops, for where the library is slow.
//
// A strip of pixels becomes one row, each pixel's channels followed by as many zeros as a window
// reaches, so that the loops run over the whole row without a thought of where a pixel ends.
#include <omp.h>

#include <algorithm>
#include <cstring>

#include "ops/core/arena.h"
#include "ops/onednn/kernels.h"
#include "ops/onednn/row_loops.h"

namespace convoy::onednn {
namespace {

class StripLrnKernel : public Kernel {
 public:
  StripLrnKernel(const Lrn& op, const KernelRequest& request, Context& context)
      : around_{op.size / 2, op.k, op.alpha / static_cast<float>(op.size), op.beta},
        threads_(context.threads()),
        loops_(best_row_loops()) {
    TensorDesc map = request.src[0];
    if (!context.chunks_of(context.memory_desc(map))) {
      map = context.tensor(map.shape, context.blocked(onednn::dims_of(map.shape)));
    }
    map_ = *context.chunks_of(context.memory_desc(map));
    pixel_ = map_.chunks * map_.width + around_.reach;
    strip_ = std::clamp<std::int64_t>(strip_floats / pixel_, 1, map_.pixels);
    row_ = static_cast<std::int64_t>(align_up(strip_ * pixel_ + 2 * around_.reach));
    spec_.src = {map};
    spec_.dst = map;
    spec_.scratchpad = static_cast<std::size_t>(rows_count * row_ * threads_) * sizeof(float);
    spec_.backward_reads_src = true;
    spec_.forward_in_place = true;
    spec_.backward_in_place = true;
    spec_.algorithm = fmt::format("strips of {} pixels", strip_);
  }

  void forward(const StepArgs&) override {
    for_strips([&](std::int64_t at, std::int64_t pixels) {
      gather(floats(buffers_.src[0]) + at, pixels, row(x));
      loops_.local_response(around_, pixels * pixel_, row(x), row(squares), row(y));
      scatter(row(y), pixels, floats(buffers_.dst) + at);
    });
  }

  void backward(const StepArgs&) override {
    if (!buffers_.diff_src[0]) return;
    for_strips([&](std::int64_t at, std::int64_t pixels) {
      gather(floats(buffers_.src[0]) + at, pixels, row(x));
      gather(floats(buffers_.diff_dst[0]) + at, pixels, row(y));
      loops_.local_response_gradient(around_, pixels * pixel_, row(x), row(squares), row(powers),
                                     row(terms), row(y));
      scatter(row(y), pixels, floats(buffers_.diff_src[0]) + at);
    });
  }

 private:
  enum Row { x, y, squares, powers, terms };
  static constexpr std::int64_t rows_count = 5;
  static constexpr std::int64_t strip_floats = 2048;  // so that the rows stay in the nearest cache

  // Of this thread, in the scratchpad.
  float* row(Row which) const {
    return floats(buffers_.scratchpad) + (omp_get_thread_num() * rows_count + which) * row_ +
           around_.reach;
  }

  // visit(offset of a strip's first pixel in the map, how many pixels)
  template <class Visit>
  void for_strips(const Visit& visit) const {
#pragma omp parallel for num_threads(threads_) if (threads_ > 1)
    for (std::int64_t n = 0; n < map_.images; ++n) {
      for (const Row around : {x, y, terms}) std::fill_n(row(around) - around_.reach, row_, 0.0f);
      for (std::int64_t p = 0; p < map_.pixels; p += strip_) {
        visit(n * map_.image_stride + p * map_.pixel_stride, std::min(strip_, map_.pixels - p));
      }
    }
  }

  void gather(const float* map, std::int64_t pixels, float* row) const {
    (map_.width == 16 ? copy<16, true, const float> : copy<8, true, const float>)(map_, pixel_,
                                                                                  pixels, map, row);
  }
  void scatter(float* row, std::int64_t pixels, float* map) const {
    (map_.width == 16 ? copy<16, false, float> : copy<8, false, float>)(map_, pixel_, pixels, map,
                                                                        row);
  }

  // Between a map and a row, chunk by chunk.
  template <int Width, bool ToRow, class Map>
  static void copy(const ChannelChunks& layout, std::int64_t pixel, std::int64_t pixels, Map* map,
                   float* row) {
    for (std::int64_t chunk = 0; chunk < layout.chunks; ++chunk) {
      for (std::int64_t p = 0; p < pixels; ++p) {
        auto* in_map = map + chunk * layout.chunk_stride + p * layout.pixel_stride;
        float* in_row = row + p * pixel + chunk * Width;
        if constexpr (ToRow) std::memcpy(in_row, in_map, Width * sizeof(float));
        if constexpr (!ToRow) std::memcpy(in_map, in_row, Width * sizeof(float));
      }
    }
  }

  Neighbourhood around_;
  int threads_;
  const RowLoops& loops_;
  ChannelChunks map_;
  std::int64_t pixel_, strip_, row_;  // floats of a pixel, pixels of a strip, floats of a row
};

}  // namespace

std::unique_ptr<Kernel> make_strip_lrn(const Lrn& op, const KernelRequest& request,
                                       Context& context) {
  return std::make_unique<StripLrnKernel>(op, request, context);
}

}  // namespace convoy::onednn
