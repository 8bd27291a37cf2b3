// Fully connected layer, as three sums of products.
#include "ops/linear.h"

#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

class LinearKernel : public PlainKernel {
 public:
  LinearKernel(const Linear& op, const KernelRequest& request) : PlainKernel(op, request), op_(op) {
    spec_.backward_reads_src = request.parameter_gradients;
    spec_.backward_reads_dst = op.relu;
    spec_.sums_diff_dst = true;
  }

  void forward(const StepArgs&) override {
    for (std::int64_t n = 0; n < rows(); ++n) {
      for (std::int64_t o = 0; o < outputs(); ++o) {
        double sum = op_.bias ? parameter(1)[o] : 0.0;
        for (std::int64_t i = 0; i < inputs(); ++i) sum += weight(o, i) * src()[n * inputs() + i];
        dst()[n * outputs() + o] = static_cast<float>(op_.relu ? std::max(sum, 0.0) : sum);
      }
    }
  }

  void backward(const StepArgs& args) override {
    if (diff_src()) {
      for (std::int64_t n = 0; n < rows(); ++n) {
        for (std::int64_t i = 0; i < inputs(); ++i) {
          double sum = 0;
          for (std::int64_t o = 0; o < outputs(); ++o) sum += weight(o, i) * diff_output(n, o);
          diff_src()[n * inputs() + i] = static_cast<float>(sum);
        }
      }
    }
    if (float* weights = gradient(args, 0)) {
      for (std::int64_t o = 0; o < outputs(); ++o) {
        for (std::int64_t i = 0; i < inputs(); ++i) {
          double sum = 0;
          for (std::int64_t n = 0; n < rows(); ++n) {
            sum += diff_output(n, o) * src()[n * inputs() + i];
          }
          weights[o * inputs() + i] = static_cast<float>(sum);
        }
      }
    }
    if (float* bias = op_.bias ? gradient(args, 1) : nullptr) {
      for (std::int64_t o = 0; o < outputs(); ++o) {
        double sum = 0;
        for (std::int64_t n = 0; n < rows(); ++n) sum += diff_output(n, o);
        bias[o] = static_cast<float>(sum);
      }
    }
  }

 private:
  std::int64_t rows() const { return src_shape()[0]; }
  std::int64_t inputs() const { return src_shape()[1]; }
  std::int64_t outputs() const { return dst_shape()[1]; }
  double weight(std::int64_t o, std::int64_t i) const { return parameter(0)[o * inputs() + i]; }
  // Behind the ReLU.
  double diff_output(std::int64_t n, std::int64_t o) const {
    const std::int64_t d = n * outputs() + o;
    return op_.relu && dst()[d] <= 0 ? 0.0 : diff_dst_sum(d);
  }

  Linear op_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Linear& op, const KernelRequest& request) {
  return std::make_unique<LinearKernel>(op, request);
}

}  // namespace convoy::reference
