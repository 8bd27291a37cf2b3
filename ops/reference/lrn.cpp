// Local response normalisation, by the formulas of ops/lrn.h.
#include "ops/lrn.h"

#include <algorithm>
#include <cmath>

#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

class LrnKernel : public PlainKernel {
 public:
  LrnKernel(const Lrn& op, const KernelRequest& request) : PlainKernel(op, request), op_(op) {
    spec_.backward_reads_src = true;
  }

  void forward(const StepArgs&) override {
    for (std::int64_t i = 0; i < src_shape().elements(); ++i) {
      dst()[i] = static_cast<float>(src()[i] * std::pow(scale(i), -op_.beta));
    }
  }

  // d_src[c] = d_dst[c] s[c]^-beta
  //   - 2 alpha beta / size * src[c] * sum over neighbours j of d_dst[j] src[j] s[j]^(-beta - 1)
  void backward(const StepArgs&) override {
    if (!diff_src()) return;
    for (std::int64_t i = 0; i < src_shape().elements(); ++i) {
      double sum = 0;
      for_neighbours(i, [&](std::int64_t j) {
        sum += double{diff_dst()[j]} * src()[j] * std::pow(scale(j), -op_.beta - 1.0);
      });
      diff_src()[i] = static_cast<float>(diff_dst()[i] * std::pow(scale(i), -op_.beta) -
                                         2.0 * op_.alpha * op_.beta / op_.size * src()[i] * sum);
    }
  }

 private:
  double scale(std::int64_t i) const {
    double sum = 0;
    for_neighbours(i, [&](std::int64_t j) { sum += double{src()[j]} * src()[j]; });
    return op_.k + op_.alpha / op_.size * sum;
  }

  // visit(index), for the channels around that of element i, at its pixel
  template <class Visit>
  void for_neighbours(std::int64_t i, Visit visit) const {
    const std::int64_t channels = src_shape()[1], pixels = src_shape()[2] * src_shape()[3];
    const std::int64_t channel = i / pixels % channels, reach = op_.size / 2;
    for (std::int64_t c = std::max<std::int64_t>(channel - reach, 0);
         c <= std::min(channel + reach, channels - 1); ++c) {
      visit(i + (c - channel) * pixels);
    }
  }

  Lrn op_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Lrn& op, const KernelRequest& request) {
  return std::make_unique<LrnKernel>(op, request);
}

}  // namespace convoy::reference
