// Pooling: over windows, over whole channels, and over a fixed number of parts.
#include "ops/pool.h"

#include <algorithm>
#include <cmath>

#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

class PoolKernel : public PlainKernel {
 public:
  PoolKernel(const Pool& op, const KernelRequest& request) : PlainKernel(op, request), op_(op) {
    spec_.scratchpad = static_cast<std::size_t>(src_shape().elements()) * sizeof(double);
    spec_.backward_reads_src = op.kind == PoolKind::l2;
    spec_.backward_reads_dst = op.kind == PoolKind::l2;
    if (op.kind == PoolKind::max && request.mode == Mode::training) {
      spec_.workspace = static_cast<std::size_t>(dst_shape().elements()) * sizeof(std::int64_t);
    }
  }

  void forward(const StepArgs&) override {
    for_windows([&](std::int64_t d, const Window& window) {
      if (op_.kind == PoolKind::average) {
        double sum = 0;
        for_pixels(window, [&](std::int64_t s) { sum += src()[s]; });
        dst()[d] = static_cast<float>(sum / divisor(window));
        return;
      }
      if (op_.kind == PoolKind::l2) {
        double sum = 0;
        for_pixels(window, [&](std::int64_t s) { sum += double{src()[s]} * src()[s]; });
        dst()[d] = static_cast<float>(std::sqrt(sum));
        return;
      }
      // Of equal maxima the first, row by row, takes the gradient.
      std::int64_t winner = window.first + window.top * src_shape()[3] + window.left;
      for_pixels(window, [&](std::int64_t s) { winner = src()[s] > src()[winner] ? s : winner; });
      dst()[d] = src()[winner];
      if (spec_.workspace > 0) winners()[d] = winner;
    });
  }

  void backward(const StepArgs&) override {
    if (!diff_src()) return;
    const std::span sums = zeros(src_shape());
    for_windows([&](std::int64_t d, const Window& window) {
      if (op_.kind == PoolKind::max) {
        sums[winners()[d]] += diff_dst()[d];
      } else if (op_.kind == PoolKind::l2) {
        const double slope = dst()[d] > 0 ? double{diff_dst()[d]} / dst()[d] : 0.0;
        for_pixels(window, [&](std::int64_t s) { sums[s] += slope * src()[s]; });
      } else {
        for_pixels(window, [&](std::int64_t s) { sums[s] += diff_dst()[d] / divisor(window); });
      }
    });
    std::copy(sums.begin(), sums.end(), diff_src());
  }

 private:
  // The part of a window that lies inside the source.
  struct Window {
    std::int64_t first;  // source index of the channel's first pixel
    std::int64_t top, bottom, left, right;
    std::int64_t padded;  // pixels of the part that lies inside the padded source
  };

  // visit(dst index, window)
  template <class Visit>
  void for_windows(Visit visit) const {
    const std::int64_t in_h = src_shape()[2], in_w = src_shape()[3];
    const std::int64_t out_h = dst_shape()[2], out_w = dst_shape()[3];
    for (std::int64_t d = 0; d < dst_shape().elements(); ++d) {
      const std::int64_t top = d / out_w % out_h * op_.stride.h - op_.pad.top;
      const std::int64_t left = d % out_w * op_.stride.w - op_.pad.left;
      const std::int64_t rows = std::min(top + op_.kernel.h, in_h + op_.pad.bottom) - top;
      const std::int64_t columns = std::min(left + op_.kernel.w, in_w + op_.pad.right) - left;
      visit(d, Window{d / (out_h * out_w) * in_h * in_w, std::max<std::int64_t>(top, 0),
                      std::min(top + op_.kernel.h, in_h), std::max<std::int64_t>(left, 0),
                      std::min(left + op_.kernel.w, in_w), rows * columns});
    }
  }

  // visit(src index), row by row
  template <class Visit>
  void for_pixels(const Window& window, Visit visit) const {
    for (std::int64_t y = window.top; y < window.bottom; ++y) {
      for (std::int64_t x = window.left; x < window.right; ++x) {
        visit(window.first + y * src_shape()[3] + x);
      }
    }
  }

  double divisor(const Window& window) const {
    if (op_.count_padding) return static_cast<double>(window.padded);
    return static_cast<double>((window.bottom - window.top) * (window.right - window.left));
  }

  // Source index of each output's maximum, from forward to backward.
  std::int64_t* winners() const { return reinterpret_cast<std::int64_t*>(buffers_.workspace); }

  Pool op_;
};

class GlobalPoolKernel : public PlainKernel {
 public:
  GlobalPoolKernel(const GlobalPool& op, const KernelRequest& request) : PlainKernel(op, request) {}

  void forward(const StepArgs&) override {
    for (std::int64_t d = 0; d < dst_shape().elements(); ++d) {
      double sum = 0;
      for (std::int64_t i = 0; i < plane(); ++i) sum += src()[d * plane() + i];
      dst()[d] = static_cast<float>(sum / static_cast<double>(plane()));
    }
  }

  void backward(const StepArgs&) override {
    if (!diff_src()) return;
    for (std::int64_t s = 0; s < src_shape().elements(); ++s) {
      diff_src()[s] = static_cast<float>(diff_dst()[s / plane()] / static_cast<double>(plane()));
    }
  }

 private:
  std::int64_t plane() const { return src_shape()[2] * src_shape()[3]; }
};

class AdaptivePoolKernel : public PlainKernel {
 public:
  AdaptivePoolKernel(const AdaptivePool& op, const KernelRequest& request)
      : PlainKernel(op, request) {
    const std::int64_t largest = std::max(src_shape().elements(), dst_shape().elements());
    spec_.scratchpad = static_cast<std::size_t>(largest) * sizeof(double);
  }

  void forward(const StepArgs&) override {
    const std::span sums = zeros(dst_shape());
    for_pairs([&](std::int64_t s, std::int64_t d, double share) { sums[d] += share * src()[s]; });
    std::copy(sums.begin(), sums.end(), dst());
  }

  void backward(const StepArgs&) override {
    if (!diff_src()) return;
    const std::span sums = zeros(src_shape());
    for_pairs(
        [&](std::int64_t s, std::int64_t d, double share) { sums[s] += share * diff_dst()[d]; });
    std::copy(sums.begin(), sums.end(), diff_src());
  }

 private:
  struct Part {
    std::int64_t begin, end;
  };
  static Part part(std::int64_t i, std::int64_t in, std::int64_t out) {
    return {i * in / out, ((i + 1) * in + out - 1) / out};
  }

  // visit(src index, dst index, 1 / pixels of the part), for every pixel of every part
  template <class Visit>
  void for_pairs(Visit visit) const {
    const std::int64_t in_h = src_shape()[2], in_w = src_shape()[3];
    const std::int64_t out_h = dst_shape()[2], out_w = dst_shape()[3];
    for (std::int64_t d = 0; d < dst_shape().elements(); ++d) {
      const Part rows = part(d / out_w % out_h, in_h, out_h),
                 columns = part(d % out_w, in_w, out_w);
      const auto pixels =
          static_cast<double>((rows.end - rows.begin) * (columns.end - columns.begin));
      for (std::int64_t y = rows.begin; y < rows.end; ++y) {
        for (std::int64_t x = columns.begin; x < columns.end; ++x) {
          visit((d / (out_h * out_w) * in_h + y) * in_w + x, d, 1.0 / pixels);
        }
      }
    }
  }
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Pool& op, const KernelRequest& request) {
  return std::make_unique<PoolKernel>(op, request);
}

std::unique_ptr<Kernel> make_kernel(const GlobalPool& op, const KernelRequest& request) {
  return std::make_unique<GlobalPoolKernel>(op, request);
}

std::unique_ptr<Kernel> make_kernel(const AdaptivePool& op, const KernelRequest& request) {
  return std::make_unique<AdaptivePoolKernel>(op, request);
}

}  // namespace convoy::reference
