// Concatenation over channels.
#include "ops/concat.h"

#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

class ConcatKernel : public PlainKernel {
 public:
  ConcatKernel(const Concat& op, const KernelRequest& request) : PlainKernel(op, request) {
    spec_.sums_diff_dst = true;
  }

  void forward(const StepArgs&) override {
    for_elements([&](int input, std::int64_t s, std::int64_t d) { dst()[d] = src(input)[s]; });
  }

  void backward(const StepArgs&) override {
    for_elements([&](int input, std::int64_t s, std::int64_t d) {
      if (diff_src(input)) diff_src(input)[s] = static_cast<float>(diff_dst_sum(d));
    });
  }

 private:
  // visit(input, index in the input, index in dst)
  template <class Visit>
  void for_elements(Visit visit) const {
    const std::int64_t image = dst_shape().elements() / dst_shape()[0];
    std::int64_t first = 0;
    for (int input = 0; input < static_cast<int>(spec_.src.size()); ++input) {
      const std::int64_t part = spec_.src[input].shape.elements() / dst_shape()[0];
      for (std::int64_t s = 0; s < part * dst_shape()[0]; ++s) {
        visit(input, s, s / part * image + first + s % part);
      }
      first += part;
    }
  }
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Concat& op, const KernelRequest& request) {
  return std::make_unique<ConcatKernel>(op, request);
}

}  // namespace convoy::reference
