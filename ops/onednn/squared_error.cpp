// Squared error over row-major outputs.
#include "ops/onednn/kernels.h"

namespace convoy::onednn {
namespace {

class SquaredErrorKernel : public Kernel {
 public:
  SquaredErrorKernel(const SquaredError& op, const Shape& dst, const KernelRequest& request)
      : op_(op), rows_(request.src[0].shape[0]), classes_(request.src[0].shape[1]) {
    spec_.src = {plain_desc(request.src[0].shape)};
    spec_.dst = plain_desc(dst);
    spec_.backward_reads_src = true;
    spec_.backward_in_place = false;
    spec_.algorithm = "loops";
  }

  void forward(const StepArgs& args) override {
    auto* losses = floats(buffers_.dst);
    std::fill_n(losses, rows_, 0.0f);
    for_errors(args, [&](std::int64_t n, std::int64_t, double error) {
      losses[n] += static_cast<float>(error * error / 2);
    });
  }

  void backward(const StepArgs& args) override {
    if (!buffers_.diff_src[0]) return;
    auto* diff_src = floats(buffers_.diff_src[0]);
    std::fill_n(diff_src, rows_ * classes_, 0.0f);
    const double scale = double{args.loss_scale} * op_.weight;
    for_errors(args, [&](std::int64_t, std::int64_t i, double error) {
      diff_src[i] = static_cast<float>(scale * error);
    });
  }

 private:
  // visit(row, index, src - target), for all elements of rows that are not empty
  template <class Visit>
  void for_errors(const StepArgs& args, Visit visit) const {
    const auto* src = floats(buffers_.src[0]);
    for (std::int64_t n = 0; n < rows_; ++n) {
      const std::int32_t label = args.labels[n];
      require(label < classes_, ExitCode::data, "squared error",
              "label {} in row {}, expected less than {}", label, n, classes_);
      if (label < 0) continue;
      for (std::int64_t c = 0; c < classes_; ++c) {
        const std::int64_t i = n * classes_ + c;
        const float given = args.soft_labels ? args.soft_labels[i] : c == label ? 1.0f : 0.0f;
        visit(n, i, src[i] - (op_.off + (double{op_.on} - op_.off) * given));
      }
    }
  }

  SquaredError op_;
  std::int64_t rows_;
  std::int64_t classes_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const SquaredError& op, const KernelRequest& request,
                                    Context&) {
  const std::array inputs{request.src[0].shape};
  return std::make_unique<SquaredErrorKernel>(op, output_shape(op, request.place, inputs), request);
}

}  // namespace convoy::onednn
