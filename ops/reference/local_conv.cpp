// Locally connected and tiled convolution, as the set of products that it adds up.
#include "ops/local_conv.h"

#include <algorithm>

#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

class LocalConvKernel : public PlainKernel {
 public:
  LocalConvKernel(const LocalConv& op, const KernelRequest& request)
      : PlainKernel(op, request), op_(op), tile_(tile_of(op, dst_shape())) {
    const std::int64_t largest = std::max(
        {src_shape().elements(), dst_shape().elements(), spec_.parameters[0].shape.elements()});
    spec_.scratchpad = static_cast<std::size_t>(largest) * sizeof(double);
    spec_.backward_reads_src = request.parameter_gradients;
  }

  void forward(const StepArgs&) override {
    const std::span sums = zeros(dst_shape());
    for_products([&](std::int64_t s, std::int64_t w, std::int64_t d) {
      sums[d] += static_cast<double>(parameter(0)[w]) * src()[s];
    });
    if (op_.bias) {
      for_outputs([&](const Output& o) { sums[o.index] += parameter(1)[o.row]; });
    }
    std::copy(sums.begin(), sums.end(), dst());
  }

  void backward(const StepArgs& args) override {
    if (diff_src()) {
      const std::span sums = zeros(src_shape());
      for_products([&](std::int64_t s, std::int64_t w, std::int64_t d) {
        sums[s] += static_cast<double>(parameter(0)[w]) * diff_dst()[d];
      });
      std::copy(sums.begin(), sums.end(), diff_src());
    }
    if (float* weights = gradient(args, 0)) {
      const std::span sums = zeros(spec_.parameters[0].shape);
      for_products([&](std::int64_t s, std::int64_t w, std::int64_t d) {
        sums[w] += static_cast<double>(src()[s]) * diff_dst()[d];
      });
      std::copy(sums.begin(), sums.end(), weights);
    }
    if (float* bias = op_.bias ? gradient(args, 1) : nullptr) {
      const std::span sums = zeros(spec_.parameters[1].shape);
      for_outputs([&](const Output& o) { sums[o.row] += diff_dst()[o.index]; });
      std::copy(sums.begin(), sums.end(), bias);
    }
  }

 private:
  struct Output {
    std::int64_t index;    // in dst
    std::int64_t row;      // of its weights and bias: t * OC + oc
    std::int64_t n, y, x;  // image and position
  };

  template <class Visit>
  void for_outputs(Visit visit) const {
    const std::int64_t channels = dst_shape()[1], height = dst_shape()[2], width = dst_shape()[3];
    for (std::int64_t d = 0; d < dst_shape().elements(); ++d) {
      const std::int64_t y = d / width % height, x = d % width;
      const std::int64_t t = y % tile_.h * tile_.w + x % tile_.w;
      const std::int64_t oc = d / (height * width) % channels;
      visit(Output{d, t * channels + oc, d / (channels * height * width), y, x});
    }
  }

  // visit(src index, weight index, dst index), once for each product that is added up.
  template <class Visit>
  void for_products(Visit visit) const {
    const std::int64_t channels = src_shape()[1];
    for_outputs([&](const Output& o) {
      for (std::int64_t ic = 0; ic < channels; ++ic) {
        for (std::int64_t i = 0; i < op_.kernel.h; ++i) {
          const std::int64_t row = o.y * op_.stride.h - op_.pad.top + i;
          if (row < 0 || row >= src_shape()[2]) continue;
          for (std::int64_t j = 0; j < op_.kernel.w; ++j) {
            const std::int64_t column = o.x * op_.stride.w - op_.pad.left + j;
            if (column < 0 || column >= src_shape()[3]) continue;
            visit(((o.n * channels + ic) * src_shape()[2] + row) * src_shape()[3] + column,
                  ((o.row * channels + ic) * op_.kernel.h + i) * op_.kernel.w + j, o.index);
          }
        }
      }
    });
  }

  LocalConv op_;
  Extent tile_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const LocalConv& op, const KernelRequest& request) {
  return std::make_unique<LocalConvKernel>(op, request);
}

}  // namespace convoy::reference
