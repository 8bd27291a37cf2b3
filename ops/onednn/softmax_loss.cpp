// Softmax cross-entropy over row-major logits. The probabilities wait in the workspace for
// backward.
#include <algorithm>
#include <cmath>

#include "ops/onednn/kernels.h"

namespace convoy::onednn {
namespace {

class SoftmaxLossKernel : public Kernel {
 public:
  SoftmaxLossKernel(const Shape& dst, const KernelRequest& request)
      : rows_(request.src[0].shape[0]), classes_(request.src[0].shape[1]) {
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
      float largest = src[0];
      for (std::int64_t c = 1; c < classes_; ++c) largest = std::max(largest, src[c]);
      double sum = 0;
      for (std::int64_t c = 0; c < classes_; ++c) {
        probabilities[c] = std::exp(src[c] - largest);
        sum += probabilities[c];
      }
      const auto scale = static_cast<float>(1.0 / sum);
      for (std::int64_t c = 0; c < classes_; ++c) probabilities[c] *= scale;
      const std::int32_t label = args.labels[n];
      require(label < classes_, ExitCode::data, "softmax loss",
              "label {} in row {}, expected less than {}", label, n, classes_);
      losses[n] = label < 0
                      ? 0.0f
                      : static_cast<float>(std::log(sum) - (double{src[label]} - double{largest}));
    }
  }

  void backward(const StepArgs& args) override {
    if (!buffers_.diff_src[0]) return;
    const auto* probabilities = reinterpret_cast<const float*>(buffers_.workspace);
    auto* diff_src = reinterpret_cast<float*>(buffers_.diff_src[0]);
    for (std::int64_t n = 0; n < rows_; ++n, diff_src += classes_, probabilities += classes_) {
      const std::int32_t label = args.labels[n];
      const float scale = label < 0 ? 0.0f : args.loss_scale;
      for (std::int64_t c = 0; c < classes_; ++c) diff_src[c] = probabilities[c] * scale;
      if (label >= 0) diff_src[label] = (probabilities[label] - 1.0f) * scale;
    }
  }

 private:
  std::int64_t rows_;
  std::int64_t classes_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const SoftmaxLoss& op, const KernelRequest& request, Context&) {
  const std::array inputs{request.src[0].shape};
  return std::make_unique<SoftmaxLossKernel>(output_shape(op, request.place, inputs), request);
}

}  // namespace convoy::onednn
