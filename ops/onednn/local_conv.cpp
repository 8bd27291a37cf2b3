// Locally connected and tiled convolution over row-major images: for each kind of position, what
// its windows see becomes the rows of a matrix (im2col), and the three passes are matrix products
// with the weights of that kind.
#include <algorithm>

#include "ops/onednn/kernels.h"
#include "ops/onednn/row_loops.h"

namespace convoy::onednn {
namespace {

class LocalConvKernel : public Kernel {
 public:
  LocalConvKernel(const LocalConv& op, const KernelRequest& request, std::span<const Shape> inputs)
      : op_(op),
        loops_(best_row_loops()),
        src_(inputs[0]),
        dst_(output_shape(op, request.place, inputs)),
        tile_(tile_of(op, dst_)),
        window_(src_[1] * op.kernel.h * op.kernel.w) {
    spec_.src = {plain_desc(src_)};
    spec_.dst = plain_desc(dst_);
    for (const ParameterSpec& parameter : parameters(op, inputs)) {
      spec_.parameters.push_back(plain_desc(parameter.shape));
    }
    spec_.prepared.resize(spec_.parameters.size());
    spec_.prepared_backward.resize(spec_.parameters.size());
    spec_.scratchpad =
        static_cast<std::size_t>(max_rows() * (2 * window_ + channels())) * sizeof(float);
    spec_.backward_reads_src = request.parameter_gradients;
    spec_.algorithm = "im2col";
  }

  void forward(const StepArgs&) override {
    for (std::int64_t kind = 0; kind < kinds(); ++kind) {
      gather_windows(kind);
      loops_.products_of_rows(rows_of(kind), channels(), window_, windows(), weights(kind),
                              outputs());
      const float* bias = op_.bias ? buffers_.parameters[1] + kind * channels() : nullptr;
      float* dst = floats(buffers_.dst);
      for_outputs(kind, [&](std::int64_t row, std::int64_t oc, std::int64_t d) {
        dst[d] = outputs()[row * channels() + oc] + (bias ? bias[oc] : 0.0f);
      });
    }
  }

  void backward(const StepArgs& args) override {
    float* diff_src = floats(buffers_.diff_src[0]);
    if (diff_src) std::fill_n(diff_src, src_.elements(), 0.0f);
    const float* diff_dst = floats(buffers_.diff_dst[0]);
    for (std::int64_t kind = 0; kind < kinds(); ++kind) {
      const std::int64_t rows = rows_of(kind);
      for_outputs(kind, [&](std::int64_t row, std::int64_t oc, std::int64_t d) {
        outputs()[row * channels() + oc] = diff_dst[d];
      });
      if (diff_src) {
        loops_.sums_of_rows(rows, window_, channels(), outputs(), channels(), 1, weights(kind),
                            diff_windows());
        scatter_windows(kind, diff_src);
      }
      if (buffers_.gradient_wanted[0]) {
        gather_windows(kind);
        loops_.sums_of_rows(channels(), window_, rows, outputs(), 1, channels(), windows(),
                            gradient(args, 0) + kind * channels() * window_);
      }
      if (op_.bias && buffers_.gradient_wanted[1]) {
        float* bias = gradient(args, 1) + kind * channels();
        std::fill_n(bias, channels(), 0.0f);
        for (std::int64_t i = 0; i < rows * channels(); ++i) bias[i % channels()] += outputs()[i];
      }
    }
  }

 private:
  std::int64_t channels() const { return dst_[1]; }
  std::int64_t kinds() const { return std::int64_t{tile_.h} * tile_.w; }
  // Output rows and columns that the first kind, which has the most positions, occupies.
  std::int64_t max_rows() const {
    return dst_[0] * ((dst_[2] + tile_.h - 1) / tile_.h) * ((dst_[3] + tile_.w - 1) / tile_.w);
  }
  std::int64_t rows_of(std::int64_t kind) const {
    const std::int64_t y = kind / tile_.w, x = kind % tile_.w;
    return dst_[0] * ((dst_[2] - y + tile_.h - 1) / tile_.h) *
           ((dst_[3] - x + tile_.w - 1) / tile_.w);
  }
  const float* weights(std::int64_t kind) const {
    return buffers_.parameters[0] + kind * channels() * window_;
  }
  float* gradient(const StepArgs& args, int i) const {
    return args.gradients + buffers_.gradient_offsets[i];
  }
  // In the scratchpad: [rows, window] what each position sees and its gradient, [rows, channels].
  float* windows() const { return floats(buffers_.scratchpad); }
  float* diff_windows() const { return windows() + max_rows() * window_; }
  float* outputs() const { return diff_windows() + max_rows() * window_; }

  // visit(row, image, y, x), for every position of a kind in every image
  template <class Visit>
  void for_positions(std::int64_t kind, Visit visit) const {
    std::int64_t row = 0;
    for (std::int64_t n = 0; n < dst_[0]; ++n) {
      for (std::int64_t y = kind / tile_.w; y < dst_[2]; y += tile_.h) {
        for (std::int64_t x = kind % tile_.w; x < dst_[3]; x += tile_.w) visit(row++, n, y, x);
      }
    }
  }

  // visit(row, output channel, index in dst)
  template <class Visit>
  void for_outputs(std::int64_t kind, Visit visit) const {
    const std::int64_t plane = dst_[2] * dst_[3];
    for_positions(kind, [&](std::int64_t row, std::int64_t n, std::int64_t y, std::int64_t x) {
      std::int64_t d = n * channels() * plane + y * dst_[3] + x;
      for (std::int64_t oc = 0; oc < channels(); ++oc, d += plane) visit(row, oc, d);
    });
  }

  // visit(offset in the row of the first pixel inside, index in src of that pixel, how many): the
  // runs of neighbouring pixels inside the image that a window sees.
  template <class Visit>
  void for_runs(std::int64_t n, std::int64_t y, std::int64_t x, Visit visit) const {
    const std::int64_t top = y * op_.stride.h - op_.pad.top, left = x * op_.stride.w - op_.pad.left;
    const std::int64_t begin = std::max<std::int64_t>(0, -left);
    const std::int64_t end = std::min<std::int64_t>(op_.kernel.w, src_[3] - left);
    if (begin >= end) return;
    for (std::int64_t ic = 0; ic < src_[1]; ++ic) {
      for (std::int64_t i = std::max<std::int64_t>(0, -top);
           i < std::min<std::int64_t>(op_.kernel.h, src_[2] - top); ++i) {
        visit((ic * op_.kernel.h + i) * op_.kernel.w + begin,
              ((n * src_[1] + ic) * src_[2] + top + i) * src_[3] + left + begin, end - begin);
      }
    }
  }

  void gather_windows(std::int64_t kind) const {
    const float* src = floats(buffers_.src[0]);
    for_positions(kind, [&](std::int64_t row, std::int64_t n, std::int64_t y, std::int64_t x) {
      float* to = windows() + row * window_;
      std::fill_n(to, window_, 0.0f);
      for_runs(n, y, x, [&](std::int64_t at, std::int64_t s, std::int64_t count) {
        std::copy_n(src + s, count, to + at);
      });
    });
  }

  void scatter_windows(std::int64_t kind, float* diff_src) const {
    for_positions(kind, [&](std::int64_t row, std::int64_t n, std::int64_t y, std::int64_t x) {
      const float* from = diff_windows() + row * window_;
      for_runs(n, y, x, [&](std::int64_t at, std::int64_t s, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) diff_src[s + i] += from[at + i];
      });
    });
  }

  LocalConv op_;
  const RowLoops& loops_;
  Shape src_, dst_;
  Extent tile_;
  std::int64_t window_;  // IC * KH * KW
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const LocalConv& op, const KernelRequest& request, Context&) {
  const std::array inputs{request.src[0].shape};
  return std::make_unique<LocalConvKernel>(op, request, inputs);
}

}  // namespace convoy::onednn
