// Convolution, as the set of products that it adds up.
#include "ops/conv.h"

#include <algorithm>
#include <cmath>

#include "ops/fold.h"
#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

// A convolution is a set of products, weight * src added to dst; each of its three passes adds up
// two of the factors into the third.
class ConvKernel : public PlainKernel {
 public:
  ConvKernel(const Conv& op, const KernelRequest& request) : PlainKernel(op, request), op_(op) {
    const std::int64_t largest = std::max(
        {src_shape().elements(), dst_shape().elements(), spec_.parameters[0].shape.elements()});
    spec_.scratchpad = static_cast<std::size_t>(largest) * sizeof(double);
    spec_.backward_reads_src = request.parameter_gradients;
    spec_.backward_reads_dst = op.relu;
    spec_.sums_diff_dst = true;
    require(request.mode == Mode::inference || (!op.norm && !op.add && std::isinf(op.relu_cap)),
            ExitCode::internal, request.place,
            "a convolution with a batch-norm, a sum or a cap cannot be trained");
  }

  void forward(const StepArgs&) override {
    const std::span sums = zeros(dst_shape());
    for_products([&](std::int64_t s, std::int64_t w, std::int64_t d) {
      sums[d] += static_cast<double>(parameter(0)[w]) * src()[s];
    });
    if (op_.bias) {
      for_outputs([&](std::int64_t d, std::int64_t channel) { sums[d] += parameter(1)[channel]; });
    }
    for_outputs([&](std::int64_t d, std::int64_t channel) {
      double z = sums[d];
      if (op_.norm) z = normalised(z, channel);
      if (op_.add) z += src(1)[d];
      dst()[d] = static_cast<float>(op_.relu ? std::clamp<double>(z, 0, op_.relu_cap) : z);
    });
  }

  void backward(const StepArgs& args) override {
    if (diff_src()) {
      const std::span sums = zeros(src_shape());
      for_products([&](std::int64_t s, std::int64_t w, std::int64_t d) {
        sums[s] += static_cast<double>(parameter(0)[w]) * gradient_of_sum(d);
      });
      std::copy(sums.begin(), sums.end(), diff_src());
    }
    if (float* weights = gradient(args, 0)) {
      const std::span sums = zeros(spec_.parameters[0].shape);
      for_products([&](std::int64_t s, std::int64_t w, std::int64_t d) {
        sums[w] += static_cast<double>(src()[s]) * gradient_of_sum(d);
      });
      std::copy(sums.begin(), sums.end(), weights);
    }
    if (float* bias = op_.bias ? gradient(args, 1) : nullptr) {
      const std::span sums = zeros(spec_.parameters[1].shape);
      for_outputs(
          [&](std::int64_t d, std::int64_t channel) { sums[channel] += gradient_of_sum(d); });
      std::copy(sums.begin(), sums.end(), bias);
    }
  }

 private:
  double normalised(double z, std::int64_t channel) const {
    const int shift = shift_index(op_);
    const double deviation = std::sqrt(double{parameter(shift + 2)[channel]} + op_.norm->epsilon);
    return parameter(shift - 1)[channel] * (z - parameter(shift + 1)[channel]) / deviation +
           parameter(shift)[channel];
  }

  double gradient_of_sum(std::int64_t d) const {
    return op_.relu && dst()[d] <= 0 ? 0.0 : diff_dst_sum(d);
  }

  // visit(dst index, output channel)
  template <class Visit>
  void for_outputs(Visit visit) const {
    const std::int64_t plane = dst_shape()[2] * dst_shape()[3];
    for (std::int64_t d = 0; d < dst_shape().elements(); ++d) visit(d, d / plane % dst_shape()[1]);
  }

  // visit(src index, weight index, dst index), once for each product that the convolution adds up.
  template <class Visit>
  void for_products(Visit visit) const {
    const std::int64_t height = dst_shape()[2], width = dst_shape()[3];
    const std::int64_t inputs = spec_.parameters[0].shape[1];  // channels that an output sees
    const std::int64_t outputs_per_group = dst_shape()[1] / op_.groups;
    for_outputs([&](std::int64_t d, std::int64_t oc) {
      const std::int64_t n = d / (dst_shape()[1] * height * width);
      const std::int64_t y = d / width % height, x = d % width;
      for (std::int64_t ic = 0; ic < inputs; ++ic) {
        const std::int64_t channel = oc / outputs_per_group * inputs + ic;
        for (std::int64_t i = 0; i < op_.kernel.h; ++i) {
          const std::int64_t row = y * op_.stride.h - op_.pad.top + i * op_.dilation.h;
          if (row < 0 || row >= src_shape()[2]) continue;
          for (std::int64_t j = 0; j < op_.kernel.w; ++j) {
            const std::int64_t column = x * op_.stride.w - op_.pad.left + j * op_.dilation.w;
            if (column < 0 || column >= src_shape()[3]) continue;
            const std::int64_t image = n * src_shape()[1] + channel;
            visit((image * src_shape()[2] + row) * src_shape()[3] + column,
                  ((oc * inputs + ic) * op_.kernel.h + i) * op_.kernel.w + j, d);
          }
        }
      }
    });
  }

  Conv op_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Conv& op, const KernelRequest& request) {
  return std::make_unique<ConvKernel>(op, request);
}

}  // namespace convoy::reference
