// Ops that treat every element alone: non-linearities, addition, and flatten.
#include "ops/activation.h"

#include <algorithm>
#include <cmath>

#include "ops/reference/kernels.h"
#include "ops/reference/plain_kernel.h"

namespace convoy::reference {
namespace {

// Ops whose element i depends on elements i alone, so that all their tensors may share memory.
class ElementwiseKernel : public PlainKernel {
 protected:
  ElementwiseKernel(const Op& op, const KernelRequest& request) : PlainKernel(op, request) {
    spec_.forward_in_place = true;
    spec_.backward_in_place = true;
    spec_.sums_diff_dst = true;
  }
  std::int64_t elements() const { return dst_shape().elements(); }
};

class ActivationKernel : public ElementwiseKernel {
 public:
  ActivationKernel(const Activation& op, const KernelRequest& request)
      : ElementwiseKernel(op, request), op_(op) {
    spec_.backward_reads_dst = true;
  }

  void forward(const StepArgs&) override {
    for (std::int64_t i = 0; i < elements(); ++i) dst()[i] = static_cast<float>(value(src()[i]));
  }

  void backward(const StepArgs&) override {
    if (!diff_src()) return;
    for (std::int64_t i = 0; i < elements(); ++i) {
      diff_src()[i] = static_cast<float>(slope(dst()[i]) * diff_dst_sum(i));
    }
  }

 private:
  double value(double x) const {
    switch (op_.kind) {
      case ActivationKind::relu:
        return std::max(x, 0.0);
      case ActivationKind::relu6:
        return std::clamp(x, 0.0, 6.0);
      case ActivationKind::sigmoid:
        return 1.0 / (1.0 + std::exp(-x));
      case ActivationKind::tanh:
        return std::tanh(x);
    }
    return x;
  }

  // Of dst over src, by dst.
  double slope(double y) const {
    switch (op_.kind) {
      case ActivationKind::relu:
        return y > 0 ? 1 : 0;
      case ActivationKind::relu6:
        return y > 0 && y < 6 ? 1 : 0;
      case ActivationKind::sigmoid:
        return y * (1 - y);
      case ActivationKind::tanh:
        return 1 - y * y;
    }
    return 1;
  }

  Activation op_;
};

class AddKernel : public ElementwiseKernel {
 public:
  AddKernel(const Add& op, const KernelRequest& request) : ElementwiseKernel(op, request) {
    spec_.backward_in_place = false;  // only one of the two gradients can take the place
    spec_.shares_diff_dst = true;
  }

  void forward(const StepArgs&) override {
    for (std::int64_t i = 0; i < elements(); ++i) dst()[i] = src(0)[i] + src(1)[i];
  }

  void backward(const StepArgs&) override {
    for (std::int64_t i = 0; i < elements(); ++i) {
      const auto sum = static_cast<float>(diff_dst_sum(i));
      if (diff_src(0)) diff_src(0)[i] = sum;
      if (diff_src(1)) diff_src(1)[i] = sum;
    }
  }
};

class FlattenKernel : public ElementwiseKernel {
 public:
  FlattenKernel(const Flatten& op, const KernelRequest& request) : ElementwiseKernel(op, request) {}

  void forward(const StepArgs&) override {
    for (std::int64_t i = 0; i < elements(); ++i) dst()[i] = src()[i];
  }

  void backward(const StepArgs&) override {
    if (!diff_src()) return;
    for (std::int64_t i = 0; i < elements(); ++i) {
      diff_src()[i] = static_cast<float>(diff_dst_sum(i));
    }
  }
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Activation& op, const KernelRequest& request) {
  return std::make_unique<ActivationKernel>(op, request);
}

std::unique_ptr<Kernel> make_kernel(const Add& op, const KernelRequest& request) {
  return std::make_unique<AddKernel>(op, request);
}

std::unique_ptr<Kernel> make_kernel(const Flatten& op, const KernelRequest& request) {
  return std::make_unique<FlattenKernel>(op, request);
}

}  // namespace convoy::reference
