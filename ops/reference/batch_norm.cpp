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
      : PlainKernel(op, request),
        op_(op),
        measures_(request.mode == Mode::training && !op.fixed_statistics) {
    spec_.backward_reads_dst = op.relu;
    spec_.backward_in_place = !op.add;  // the added input's gradient takes the place
    spec_.shares_diff_dst = op.add;
    spec_.sums_diff_dst = true;
    if (request.mode == Mode::inference) {
      spec_.forward_in_place = true;
      return;
    }
    if (measures_) require_statistics(op, request.place, src_shape());
    spec_.backward_reads_src = true;
    if (measures_) spec_.workspace = static_cast<std::size_t>(channels()) * sizeof(Moments);
    spec_.scratchpad = static_cast<std::size_t>(1 + 2 * channels()) * sizeof(double);
  }

  void forward(const StepArgs& args) override {
    if (measures_) measure(args);
    for (std::int64_t c = 0; c < channels(); ++c) {
      const Moments own = moments_of(c);
      for_channel(c, [&](std::int64_t i) {
        double z = parameter(0)[c] * normalised(own, i) + parameter(1)[c];
        if (op_.add) z += src(1)[i];
        dst()[i] = static_cast<float>(op_.relu ? std::clamp<double>(z, 0, op_.relu_cap) : z);
      });
    }
  }

  // With g the gradient of z, x = (src - mean) / sqrt(var + epsilon), and means over (N, H, W):
  //   d_scale = sum(g x), d_shift = sum(g), d_src1 = g,
  //   d_src = scale / sqrt(var + epsilon) * (g - mean(g) - x mean(g x))
  // Fixed, mean and var do not answer to src, and d_src = scale / sqrt(var + epsilon) * g.
  void backward(const StepArgs& args) override {
    const std::span totals = zeros({1 + 2 * channels()});
    const std::span sum_g = totals.subspan(1, channels()), sum_gx = totals.last(channels());
    totals[0] = count();
    for (std::int64_t c = 0; c < channels(); ++c) {
      for_channel(c, [&](std::int64_t i) {
        sum_g[c] += gradient_of_z(i);
        sum_gx[c] += gradient_of_z(i) * normalised(moments_of(c), i);
      });
      if (float* scale = gradient(args, 0)) scale[c] = static_cast<float>(sum_gx[c]);
      if (float* shift = gradient(args, 1)) shift[c] = static_cast<float>(sum_g[c]);
    }
    if (measures_) sum_over_lanes(args, totals);
    for (std::int64_t c = 0; c < channels(); ++c) {
      const Moments own = moments_of(c);
      for_channel(c, [&](std::int64_t i) {
        const double g = gradient_of_z(i);
        const double centred =
            measures_ ? g - sum_g[c] / totals[0] - normalised(own, i) * sum_gx[c] / totals[0] : g;
        // After both reads of g: either may lie where diff_dst does.
        if (op_.add && diff_src(1)) diff_src(1)[i] = static_cast<float>(g);
        if (diff_src()) diff_src()[i] = static_cast<float>(parameter(0)[c] * own.inverse * centred);
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

  void sum_over_lanes(const StepArgs& args, std::span<double> values) const {
    if (op_.synchronised && args.sum_over_lanes) (*args.sum_over_lanes)(values);
  }

  Moments moments(double mean, double variance) const {
    return {mean, 1.0 / std::sqrt(variance + op_.epsilon)};
  }

  // By which channel c is normalised: what was measured, or the running ones.
  Moments moments_of(std::int64_t c) const {
    return measures_ ? workspace()[c] : moments(parameter(2)[c], parameter(3)[c]);
  }

  // Of this micro-batch, or of those of all lanes; kept for backward, and reported as the
  // "gradient" of the running ones. First the means, then the squares of what is left.
  void measure(const StepArgs& args) const {
    const std::span totals = zeros({1 + channels()});
    totals[0] = count();
    for (std::int64_t c = 0; c < channels(); ++c) {
      for_channel(c, [&](std::int64_t i) { totals[1 + c] += src()[i]; });
    }
    sum_over_lanes(args, totals);
    for (std::int64_t c = 0; c < channels(); ++c) {
      const double mean = totals[1 + c] / totals[0];
      workspace()[c].mean = mean;
      totals[1 + c] = 0;
      for_channel(c,
                  [&](std::int64_t i) { totals[1 + c] += (src()[i] - mean) * (src()[i] - mean); });
    }
    totals[0] = count();
    sum_over_lanes(args, totals);
    for (std::int64_t c = 0; c < channels(); ++c) {
      const double squares = totals[1 + c];
      workspace()[c] = moments(workspace()[c].mean, squares / totals[0]);
      args.gradients[buffers_.gradient_offsets[2] + c] = static_cast<float>(workspace()[c].mean);
      args.gradients[buffers_.gradient_offsets[3] + c] =
          static_cast<float>(squares / std::max(totals[0] - 1, 1.0));
    }
  }

  double normalised(const Moments& moments, std::int64_t i) const {
    return (src()[i] - moments.mean) * moments.inverse;
  }

  double gradient_of_z(std::int64_t i) const {
    const bool cut = op_.relu && (dst()[i] <= 0 || dst()[i] >= op_.relu_cap);
    return cut ? 0.0 : diff_dst_sum(i);
  }

  BatchNorm op_;
  bool measures_;  // else it takes the running statistics
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const BatchNorm& op, const KernelRequest& request) {
  return std::make_unique<BatchNormKernel>(op, request);
}

}  // namespace convoy::reference
