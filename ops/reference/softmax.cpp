// Softmax over the classes, by the formulas of ops/softmax.h.
#include "ops/softmax.h"

#include <algorithm>
#include <cmath>

#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

class SoftmaxKernel : public PlainKernel {
 public:
  SoftmaxKernel(const Softmax& op, const KernelRequest& request) : PlainKernel(op, request) {
    spec_.backward_reads_dst = true;
    spec_.sums_diff_dst = true;
  }

  void forward(const StepArgs&) override {
    for_pixels([&](std::int64_t first) {
      double largest = src()[first], sum = 0;
      for_classes(first, [&](std::int64_t i) { largest = std::max<double>(largest, src()[i]); });
      for_classes(first, [&](std::int64_t i) { sum += std::exp(src()[i] - largest); });
      for_classes(first, [&](std::int64_t i) {
        dst()[i] = static_cast<float>(std::exp(src()[i] - largest) / sum);
      });
    });
  }

  void backward(const StepArgs&) override {
    if (!diff_src()) return;
    for_pixels([&](std::int64_t first) {
      double mean = 0;
      for_classes(first, [&](std::int64_t i) { mean += diff_dst_sum(i) * dst()[i]; });
      for_classes(first, [&](std::int64_t i) {
        diff_src()[i] = static_cast<float>(dst()[i] * (diff_dst_sum(i) - mean));
      });
    });
  }

 private:
  std::int64_t classes() const { return dst_shape()[1]; }
  std::int64_t pixels() const { return dst_shape().elements() / (dst_shape()[0] * classes()); }

  // visit(index of the first class), for each pixel of each image
  template <class Visit>
  void for_pixels(Visit visit) const {
    for (std::int64_t i = 0; i < dst_shape()[0] * pixels(); ++i) {
      visit(i / pixels() * classes() * pixels() + i % pixels());
    }
  }

  // visit(index)
  template <class Visit>
  void for_classes(std::int64_t first, Visit visit) const {
    for (std::int64_t c = 0; c < classes(); ++c) visit(first + c * pixels());
  }
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Softmax& op, const KernelRequest& request) {
  return std::make_unique<SoftmaxKernel>(op, request);
}

}  // namespace convoy::reference
