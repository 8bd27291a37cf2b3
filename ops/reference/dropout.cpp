// Dropout, by the definition of ops/dropout.h.
#include "ops/dropout.h"

#include "ops/core/random.h"
#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

class DropoutKernel : public PlainKernel {
 public:
  DropoutKernel(const Dropout& op, const KernelRequest& request)
      : PlainKernel(op, request), op_(op), training_(request.mode == Mode::training) {
    spec_.forward_in_place = true;
    spec_.backward_in_place = true;
    spec_.sums_diff_dst = true;
  }

  void forward(const StepArgs& args) override {
    for_elements(args, [&](std::int64_t i, double factor) {
      dst()[i] = static_cast<float>(factor * src()[i]);
    });
  }

  void backward(const StepArgs& args) override {
    if (!diff_src()) return;
    for_elements(args, [&](std::int64_t i, double factor) {
      diff_src()[i] = static_cast<float>(factor * diff_dst_sum(i));
    });
  }

 private:
  // visit(index, what the element is multiplied by)
  template <class Visit>
  void for_elements(const StepArgs& args, Visit visit) const {
    const std::int64_t rows = dst_shape()[0], channels = dst_shape()[1];
    const std::int64_t pixels = dst_shape().elements() / (rows * channels);
    const std::uint32_t threshold = dropout_threshold(op_.probability);
    for (std::int64_t n = 0; n < rows; ++n) {
      Random random(args.seed, RandomUse::dropout, args.position + static_cast<std::uint64_t>(n),
                    op_.layer);
      for (std::int64_t p = 0; p < pixels; ++p) {
        for (std::int64_t c = 0; c < channels; ++c) {
          const bool keep = !training_ || random() >= threshold;
          visit((n * channels + c) * pixels + p, keep ? kept_factor() : 0.0);
        }
      }
    }
  }

  double kept_factor() const { return training_ ? 1.0 / (1.0 - op_.probability) : 1.0; }

  Dropout op_;
  bool training_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Dropout& op, const KernelRequest& request) {
  return std::make_unique<DropoutKernel>(op, request);
}

}  // namespace convoy::reference
