// Batch normalisation with what is fused into it, by the formulas of ops/batch_norm.h.
#include "ops/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

class BatchNormKernel : public PlainKernel {
 public:
  BatchNormKernel(const BatchNorm& op, const KernelRequest& request)
      : PlainKernel(op, request), op_(op), mode_(request.mode) {
    spec_.backward_reads_dst = op.relu;
    spec_.backward_in_place = !op.add;  // the added input's gradient takes the place
    spec_.shares_diff_dst = op.add;
    spec_.sums_diff_dst = true;
    if (mode_ == Mode::inference) {
      spec_.forward_in_place = true;
      return;
    }
    require_statistics(op, request.place, src_shape());
    spec_.backward_reads_src = true;
    spec_.workspace = static_cast<std::size_t>(channels()) * sizeof(Moments);
  }

  void forward(const StepArgs& args) override {
    for (std::int64_t c = 0; c < channels(); ++c) {
      const Moments moments = mode_ == Mode::training ? measure(args, c) : running(c);
      for_channel(c, [&](std::int64_t i) {
        double z = parameter(0)[c] * normalised(moments, i) + parameter(1)[c];
        if (op_.add) z += src(1)[i];
        dst()[i] = static_cast<float>(op_.relu ? std::max(z, 0.0) : z);
      });
    }
  }

  // With g the gradient of z, x = (src - mean) / sqrt(var + epsilon), and means over (N, H, W):
  //   d_scale = sum(g x), d_shift = sum(g), d_src1 = g,
  //   d_src = scale / sqrt(var + epsilon) * (g - mean(g) - x mean(g x))
  void backward(const StepArgs& args) override {
    for (std::int64_t c = 0; c < channels(); ++c) {
      const Moments moments = workspace()[c];
      double sum_g = 0, sum_gx = 0;
      for_channel(c, [&](std::int64_t i) {
        sum_g += gradient_of_z(i);
        sum_gx += gradient_of_z(i) * normalised(moments, i);
      });
      if (float* scale = gradient(args, 0)) scale[c] = static_cast<float>(sum_gx);
      if (float* shift = gradient(args, 1)) shift[c] = static_cast<float>(sum_g);
      for_channel(c, [&](std::int64_t i) {
        const double g = gradient_of_z(i);
        const double centred = g - sum_g / count() - normalised(moments, i) * sum_gx / count();
        // After both reads of g: either may lie where diff_dst does.
        if (op_.add && diff_src(1)) diff_src(1)[i] = static_cast<float>(g);
        if (diff_src())
          diff_src()[i] = static_cast<float>(parameter(0)[c] * moments.inverse * centred);
      });
    }
  }

 private:
  struct Moments {
    double mean;
    double inverse;  // 1 / sqrt(var + epsilon)
  };

  std::int64_t channels() const { return src_shape()[1]; }
  double count() const { return static_cast<double>(src_shape().elements() / channels()); }
  Moments* workspace() const { return reinterpret_cast<Moments*>(buffers_.workspace); }

  // visit(index) for all elements of channel c.
  template <class Visit>
  void for_channel(std::int64_t c, Visit visit) const {
    const std::int64_t plane = src_shape()[2] * src_shape()[3];
    for (std::int64_t n = 0; n < src_shape()[0]; ++n) {
      const std::int64_t first = (n * channels() + c) * plane;
      for (std::int64_t i = first; i < first + plane; ++i) visit(i);
    }
  }

  Moments moments_of(double mean, double variance) const {
    return {mean, 1.0 / std::sqrt(variance + op_.epsilon)};
  }

  Moments running(std::int64_t c) const { return moments_of(parameter(2)[c], parameter(3)[c]); }

  // Of this micro-batch; kept for backward, and reported as the "gradient" of the running ones.
  Moments measure(const StepArgs& args, std::int64_t c) const {
    double sum = 0, squares = 0;
    for_channel(c, [&](std::int64_t i) { sum += src()[i]; });
    const double mean = sum / count();
    for_channel(c, [&](std::int64_t i) { squares += (src()[i] - mean) * (src()[i] - mean); });
    args.gradients[buffers_.gradient_offsets[2] + c] = static_cast<float>(mean);
    args.gradients[buffers_.gradient_offsets[3] + c] = static_cast<float>(squares / (count() - 1));
    return workspace()[c] = moments_of(mean, squares / count());
  }

  double normalised(const Moments& moments, std::int64_t i) const {
    return (src()[i] - moments.mean) * moments.inverse;
  }

  double gradient_of_z(std::int64_t i) const {
    return op_.relu && dst()[i] <= 0 ? 0.0 : diff_dst_sum(i);
  }

  BatchNorm op_;
  Mode mode_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const BatchNorm& op, const KernelRequest& request) {
  return std::make_unique<BatchNormKernel>(op, request);
}

}  // namespace convoy::reference
