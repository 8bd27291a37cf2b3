// Softmax cross-entropy over row-major logits. The probabilities wait in the workspace for
// backward.
#include <algorithm>
#include <cmath>

#include "ops/onednn/kernels.h"

namespace convoy::onednn {
namespace {

class SoftmaxLossKernel : public Kernel {
 public:
  SoftmaxLossKernel(const SoftmaxLoss& op, const Shape& dst, const KernelRequest& request)
      : rows_(request.src[0].shape[0]),
        classes_(request.src[0].shape[1]),
        weight_(op.weight),
        smoothing_(request.mode == Mode::training ? op.smoothing : 0.0f) {
    spec_.src = {plain_desc(request.src[0].shape)};
    spec_.dst = plain_desc(dst);
    spec_.workspace = spec_.src[0].bytes;
    spec_.algorithm = "loops";
  }

  void forward(const StepArgs& args) override {
    const auto* src = reinterpret_cast<const float*>(buffers_.src[0]);
    auto* losses = reinterpret_cast<float*>(buffers_.dst);
    auto* probabilities = reinterpret_cast<float*>(buffers_.workspace);
    for (std::int64_t n = 0; n < rows_; ++n, src += classes_, probabilities += classes_) {
      const float largest = *std::max_element(src, src + classes_);
      double sum = 0;
      for (std::int64_t c = 0; c < classes_; ++c) {
        probabilities[c] = std::exp(src[c] - largest);
        sum += probabilities[c];
      }
      const auto scale = static_cast<float>(1.0 / sum);
      for (std::int64_t c = 0; c < classes_; ++c) probabilities[c] *= scale;
      const Target target = target_of(args, n);
      losses[n] = target.empty() ? 0.0f
                                 : static_cast<float>(target.total * (std::log(sum) + largest) -
                                                      expectation(target, src));
    }
  }

  void backward(const StepArgs& args) override {
    if (!buffers_.diff_src[0]) return;
    const auto* probabilities = reinterpret_cast<const float*>(buffers_.workspace);
    auto* diff_src = reinterpret_cast<float*>(buffers_.diff_src[0]);
    for (std::int64_t n = 0; n < rows_; ++n, diff_src += classes_, probabilities += classes_) {
      const Target target = target_of(args, n);
      const float scale = target.empty() ? 0.0f : args.loss_scale * weight_;
      const auto total = static_cast<float>(target.total);
      for (std::int64_t c = 0; c < classes_; ++c) {
        diff_src[c] = scale * (probabilities[c] * total - target.floor);
      }
      if (target.empty()) continue;
      if (target.soft) {
        for (std::int64_t c = 0; c < classes_; ++c) {
          diff_src[c] -= scale * (1 - smoothing_) * target.soft[c];
        }
      } else {
        diff_src[target.label] -= scale * (1 - smoothing_);
      }
    }
  }

 private:
  // What one row is to learn: `floor` for every class, and beside it 1 - smoothing of the label or
  // of the soft labels.
  struct Target {
    std::int32_t label;
    const float* soft;  // null: the label alone
    float floor;
    double total;  // sum over the classes
    bool empty() const { return label < 0; }
  };

  Target target_of(const StepArgs& args, std::int64_t n) const {
    const std::int32_t label = args.labels[n];
    require(label < classes_, ExitCode::data, "softmax loss",
            "label {} in row {}, expected less than {}", label, n, classes_);
    Target target{label, args.soft_labels ? args.soft_labels + n * classes_ : nullptr,
                  smoothing_ / static_cast<float>(classes_), 1.0};
    if (target.soft) {
      double given = 0;
      for (std::int64_t c = 0; c < classes_; ++c) given += target.soft[c];
      target.total = (1 - smoothing_) * given + smoothing_;
    }
    return target;
  }

  // Sum over the classes of target * src.
  double expectation(const Target& target, const float* src) const {
    double given = 0, all = 0;
    if (!target.soft) given = src[target.label];
    for (std::int64_t c = 0; target.soft && c < classes_; ++c) given += target.soft[c] * src[c];
    for (std::int64_t c = 0; smoothing_ > 0 && c < classes_; ++c) all += src[c];
    return (1 - smoothing_) * given + target.floor * all;
  }

  std::int64_t rows_;
  std::int64_t classes_;
  float weight_;
  float smoothing_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const SoftmaxLoss& op, const KernelRequest& request, Context&) {
  const std::array inputs{request.src[0].shape};
  return std::make_unique<SoftmaxLossKernel>(op, output_shape(op, request.place, inputs), request);
}

}  // namespace convoy::onednn
