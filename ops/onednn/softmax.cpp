// Softmax over the classes of row-major tensors, one plane of classes after another.
#include <algorithm>
#include <cmath>

#include "ops/onednn/kernels.h"

namespace convoy::onednn {
namespace {

class SoftmaxKernel : public Kernel {
 public:
  explicit SoftmaxKernel(const KernelRequest& request) {
    const Shape& shape = request.src[0].shape;
    images_ = shape[0];
    classes_ = shape[1];
    pixels_ = shape.elements() / (images_ * classes_);
    spec_.src = {plain_desc(shape)};
    spec_.dst = plain_desc(shape);
    spec_.scratchpad = 2 * static_cast<std::size_t>(pixels_) * sizeof(float);
    spec_.forward_in_place = true;
    spec_.backward_in_place = true;
    spec_.backward_reads_dst = true;
    spec_.algorithm = "loops";
  }

  void forward(const StepArgs&) override {
    float* largest = floats(buffers_.scratchpad);
    float* sum = largest + pixels_;
    for (std::int64_t n = 0; n < images_; ++n) {
      const float* src = floats(buffers_.src[0]) + n * classes_ * pixels_;
      float* dst = floats(buffers_.dst) + n * classes_ * pixels_;
      std::copy_n(src, pixels_, largest);
      std::fill_n(sum, pixels_, 0.0f);
      for_elements(
          [&](std::int64_t i, std::int64_t p) { largest[p] = std::max(largest[p], src[i]); });
      for_elements([&](std::int64_t i, std::int64_t p) {
        dst[i] = std::exp(src[i] - largest[p]);
        sum[p] += dst[i];
      });
      for_elements([&](std::int64_t i, std::int64_t p) { dst[i] /= sum[p]; });
    }
  }

  void backward(const StepArgs&) override {
    if (!buffers_.diff_src[0]) return;
    float* mean = floats(buffers_.scratchpad);
    for (std::int64_t n = 0; n < images_; ++n) {
      const std::int64_t image = n * classes_ * pixels_;
      const float* dst = floats(buffers_.dst) + image;
      const float* diff_dst = floats(buffers_.diff_dst[0]) + image;
      float* diff_src = floats(buffers_.diff_src[0]) + image;
      std::fill_n(mean, pixels_, 0.0f);
      for_elements([&](std::int64_t i, std::int64_t p) { mean[p] += diff_dst[i] * dst[i]; });
      for_elements(
          [&](std::int64_t i, std::int64_t p) { diff_src[i] = dst[i] * (diff_dst[i] - mean[p]); });
    }
  }

 private:
  // visit(index, pixel), for the elements of one image
  template <class Visit>
  void for_elements(Visit visit) const {
    for (std::int64_t c = 0, i = 0; c < classes_; ++c) {
      for (std::int64_t p = 0; p < pixels_; ++p, ++i) visit(i, p);
    }
  }

  std::int64_t images_, classes_, pixels_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Softmax&, const KernelRequest& request, Context&) {
  return std::make_unique<SoftmaxKernel>(request);
}

}  // namespace convoy::onednn
