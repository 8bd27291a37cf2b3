// Squared error, by the formulas of ops/squared_error.h.
#include "ops/squared_error.h"

#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

class SquaredErrorKernel : public PlainKernel {
 public:
  SquaredErrorKernel(const SquaredError& op, const KernelRequest& request)
      : PlainKernel(op, request), place_(request.place), op_(op) {
    spec_.backward_reads_src = true;
  }

  void forward(const StepArgs& args) override {
    for (std::int64_t n = 0; n < rows(); ++n) {
      double sum = 0;
      for (std::int64_t c = 0; c < classes(); ++c) sum += error(args, n, c) * error(args, n, c);
      dst()[n] = static_cast<float>(sum / 2);
    }
  }

  void backward(const StepArgs& args) override {
    if (!diff_src()) return;
    for (std::int64_t n = 0; n < rows(); ++n) {
      for (std::int64_t c = 0; c < classes(); ++c) {
        diff_src()[n * classes() + c] =
            static_cast<float>(double{args.loss_scale} * op_.weight * error(args, n, c));
      }
    }
  }

 private:
  std::int64_t rows() const { return src_shape()[0]; }
  std::int64_t classes() const { return src_shape()[1]; }

  // src - target; zero in empty rows. Without labels every row is empty.
  double error(const StepArgs& args, std::int64_t n, std::int64_t c) const {
    const std::int32_t label = args.labels ? args.labels[n] : -1;
    require(label < classes(), ExitCode::data, place_, "label of row {} is {}, expected below {}",
            n, label, classes());
    if (label < 0) return 0;
    const std::int64_t i = n * classes() + c;
    const double given = args.soft_labels ? double{args.soft_labels[i]} : c == label ? 1.0 : 0.0;
    return src()[i] - (op_.off + (double{op_.on} - op_.off) * given);
  }

  std::string place_;
  SquaredError op_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const SquaredError& op, const KernelRequest& request) {
  return std::make_unique<SquaredErrorKernel>(op, request);
}

}  // namespace convoy::reference
