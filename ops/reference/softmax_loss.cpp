// Softmax cross-entropy, by the formulas of ops/softmax_loss.h.
#include "ops/softmax_loss.h"

#include <algorithm>
#include <cmath>

#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

class SoftmaxLossKernel : public PlainKernel {
 public:
  SoftmaxLossKernel(const SoftmaxLoss& op, const KernelRequest& request)
      : PlainKernel(op, request),
        place_(request.place),
        weight_(op.weight),
        smoothing_(request.mode == Mode::training ? op.smoothing : 0.0) {
    spec_.backward_reads_src = true;
  }

  void forward(const StepArgs& args) override {
    for (std::int64_t n = 0; n < rows(); ++n) {
      const double normaliser = log_sum_exp(n);
      double loss = 0;
      for (std::int64_t c = 0; c < classes(); ++c) {
        loss += target(args, n, c) * (normaliser - logits(n)[c]);
      }
      dst()[n] = label_of(args, n) < 0 ? 0.0f : static_cast<float>(loss);
    }
  }

  void backward(const StepArgs& args) override {
    if (!diff_src()) return;
    for (std::int64_t n = 0; n < rows(); ++n) {
      const std::int32_t label = label_of(args, n);
      const double normaliser = log_sum_exp(n);
      double total = 0;
      for (std::int64_t c = 0; c < classes(); ++c) total += target(args, n, c);
      for (std::int64_t c = 0; c < classes(); ++c) {
        const double probability = std::exp(logits(n)[c] - normaliser);
        const double difference = probability * total - target(args, n, c);
        diff_src()[n * classes() + c] =
            label < 0 ? 0.0f : static_cast<float>(args.loss_scale * weight_ * difference);
      }
    }
  }

 private:
  std::int64_t rows() const { return src_shape()[0]; }
  std::int64_t classes() const { return src_shape()[1]; }
  const float* logits(std::int64_t n) const { return src() + n * classes(); }

  // Without labels every row is empty.
  std::int32_t label_of(const StepArgs& args, std::int64_t n) const {
    const std::int32_t label = args.labels ? args.labels[n] : -1;
    require(label < classes(), ExitCode::data, place_, "label of row {} is {}, expected below {}",
            n, label, classes());
    return label;
  }

  double target(const StepArgs& args, std::int64_t n, std::int64_t c) const {
    const double given = args.soft_labels         ? double{args.soft_labels[n * classes() + c]}
                         : c == label_of(args, n) ? 1.0
                                                  : 0.0;
    return (1 - smoothing_) * given + smoothing_ / static_cast<double>(classes());
  }

  double log_sum_exp(std::int64_t n) const {
    const double largest = *std::max_element(logits(n), logits(n) + classes());
    double sum = 0;
    for (std::int64_t c = 0; c < classes(); ++c) sum += std::exp(logits(n)[c] - largest);
    return largest + std::log(sum);
  }

  std::string place_;
  double weight_;
  double smoothing_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const SoftmaxLoss& op, const KernelRequest& request) {
  return std::make_unique<SoftmaxLossKernel>(op, request);
}

}  // namespace convoy::reference
