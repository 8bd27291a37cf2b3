#include "ops/onednn/window_pool.h"

#include <algorithm>
#include <cmath>

#include "ops/onednn/memory.h"

namespace convoy::onednn {
namespace {

class WindowPoolKernel : public Kernel {
 public:
  WindowPoolKernel(Windows windows, const Shape& src)
      : windows_(std::move(windows)),
        planes_(src[0] * src[1]),
        width_(src[3]),
        plane_(src[2] * src[3]) {
    const auto rows = static_cast<std::int64_t>(windows_.rows.size());
    const auto columns = static_cast<std::int64_t>(windows_.columns.size());
    spec_.src = {plain_desc(src)};
    spec_.dst = plain_desc({src[0], src[1], rows, columns});
    spec_.backward_reads_src = windows_.norm;
    spec_.backward_reads_dst = windows_.norm;
    spec_.algorithm = "window loops";
  }

  void forward(const StepArgs&) override {
    const float* src = floats(buffers_.src[0]);
    float* dst = floats(buffers_.dst);
    for_windows([&](std::int64_t first, std::int64_t d, const AxisWindow& y, const AxisWindow& x) {
      float sum = 0;
      for_pixels(first, y, x,
                 [&](std::int64_t s) { sum += windows_.norm ? src[s] * src[s] : src[s]; });
      dst[d] = windows_.norm ? std::sqrt(sum) : sum / static_cast<float>(y.counted * x.counted);
    });
  }

  void backward(const StepArgs&) override {
    if (!buffers_.diff_src[0]) return;
    const float* src = floats(buffers_.src[0]);
    const float* dst = floats(buffers_.dst);
    const float* diff_dst = floats(buffers_.diff_dst[0]);
    float* diff_src = floats(buffers_.diff_src[0]);
    std::fill_n(diff_src, planes_ * plane_, 0.0f);
    for_windows([&](std::int64_t first, std::int64_t d, const AxisWindow& y, const AxisWindow& x) {
      if (windows_.norm) {
        const float slope = dst[d] > 0 ? diff_dst[d] / dst[d] : 0.0f;
        for_pixels(first, y, x, [&](std::int64_t s) { diff_src[s] += slope * src[s]; });
      } else {
        const float share = diff_dst[d] / static_cast<float>(y.counted * x.counted);
        for_pixels(first, y, x, [&](std::int64_t s) { diff_src[s] += share; });
      }
    });
  }

 private:
  // visit(index of the plane's first pixel in src, index in dst, rows, columns)
  template <class Visit>
  void for_windows(Visit visit) const {
    std::int64_t d = 0;
    for (std::int64_t plane = 0; plane < planes_; ++plane) {
      for (const AxisWindow& y : windows_.rows) {
        for (const AxisWindow& x : windows_.columns) visit(plane * plane_, d++, y, x);
      }
    }
  }

  // visit(index in src)
  template <class Visit>
  void for_pixels(std::int64_t first, const AxisWindow& rows, const AxisWindow& columns,
                  Visit visit) const {
    for (std::int64_t y = rows.begin; y < rows.end; ++y) {
      for (std::int64_t x = columns.begin; x < columns.end; ++x) visit(first + y * width_ + x);
    }
  }

  Windows windows_;
  std::int64_t planes_, width_, plane_;
};

}  // namespace

Windows windows_of(const Pool& op, const Shape& src, const Shape& dst) {
  const auto axis = [&](std::int64_t in, std::int64_t out, int before, int after, int kernel,
                        int stride) {
    std::vector<AxisWindow> windows;
    for (std::int64_t i = 0; i < out; ++i) {
      const std::int64_t first = i * stride - before;
      const std::int64_t begin = std::max<std::int64_t>(first, 0);
      const std::int64_t end = std::min(first + kernel, in);
      const std::int64_t padded = std::min(first + kernel, in + after) - first;
      windows.push_back({begin, end, op.count_padding ? padded : end - begin});
    }
    return windows;
  };
  return {op.kind == PoolKind::l2,
          axis(src[2], dst[2], op.pad.top, op.pad.bottom, op.kernel.h, op.stride.h),
          axis(src[3], dst[3], op.pad.left, op.pad.right, op.kernel.w, op.stride.w)};
}

Windows windows_of(const AdaptivePool& op, const Shape& src) {
  const auto axis = [](std::int64_t in, std::int64_t out) {
    std::vector<AxisWindow> windows;
    for (std::int64_t i = 0; i < out; ++i) {
      const std::int64_t begin = i * in / out, end = ((i + 1) * in + out - 1) / out;
      windows.push_back({begin, end, end - begin});
    }
    return windows;
  };
  return {false, axis(src[2], op.height), axis(src[3], op.width)};
}

std::unique_ptr<Kernel> make_window_pool(Windows windows, const KernelRequest& request) {
  return std::make_unique<WindowPoolKernel>(std::move(windows), request.src[0].shape);
}

}  // namespace convoy::onednn
