// Local response normalisation by oneDNN, in the layout of its input or, where the library is slow
// in that, in the blocked one.
#include <algorithm>
#include <string_view>

#include "ops/onednn/kernels.h"

namespace convoy::onednn {
namespace {

class LrnKernel : public Kernel {
 public:
  LrnKernel(const Lrn& op, const KernelRequest& request, Context& context) {
    const bool training = request.mode == Mode::training;
    LrnShape shape{.data = context.memory_desc(request.src[0]),
                   .size = op.size,
                   .alpha = op.alpha,
                   .beta = op.beta,
                   .k = op.k};
    auto forward = lrn_forward(context.engine(), training, shape);
    if (is_fallback(forward.impl_info_str())) {
      LrnShape blocked = shape;
      blocked.data = context.blocked(dims_of(shape.data));
      const auto candidate = lrn_forward(context.engine(), training, blocked);
      if (!is_fallback(candidate.impl_info_str())) {
        shape = blocked;
        forward = candidate;
      }
    }
    spec_.src = {context.tensor(request.src[0].shape, shape.data)};
    spec_.dst = spec_.src[0];
    spec_.workspace = forward.workspace_desc().get_size();
    spec_.scratchpad = forward.scratchpad_desc().get_size();
    spec_.backward_reads_src = true;
    spec_.algorithm = forward.impl_info_str();
    forward_ = Call(context, dnnl::lrn_forward(forward));
    forward_.declare(DNNL_ARG_SRC, shape.data);
    forward_.declare(DNNL_ARG_DST, shape.data);
    forward_.declare(DNNL_ARG_WORKSPACE, forward.workspace_desc());
    forward_.declare(DNNL_ARG_SCRATCHPAD, forward.scratchpad_desc());
    if (!training) return;
    const auto backward = lrn_backward(context.engine(), shape, forward);
    spec_.scratchpad = std::max(spec_.scratchpad, backward.scratchpad_desc().get_size());
    backward_ = Call(context, dnnl::lrn_backward(backward));
    backward_.declare(DNNL_ARG_SRC, shape.data);
    backward_.declare(DNNL_ARG_DIFF_DST, shape.data);
    backward_.declare(DNNL_ARG_DIFF_SRC, shape.data);
    backward_.declare(DNNL_ARG_WORKSPACE, forward.workspace_desc());
    backward_.declare(DNNL_ARG_SCRATCHPAD, backward.scratchpad_desc());
  }

  void bind(const KernelBuffers& b) override {
    Kernel::bind(b);
    forward_.set(DNNL_ARG_SRC, b.src[0]);
    forward_.set(DNNL_ARG_DST, b.dst);
    forward_.set(DNNL_ARG_WORKSPACE, b.workspace);
    forward_.set(DNNL_ARG_SCRATCHPAD, b.scratchpad);
    backward_.set(DNNL_ARG_SRC, b.src[0]);
    backward_.set(DNNL_ARG_DIFF_DST, b.diff_dst[0]);
    backward_.set(DNNL_ARG_DIFF_SRC, b.diff_src[0]);
    backward_.set(DNNL_ARG_WORKSPACE, b.workspace);
    backward_.set(DNNL_ARG_SCRATCHPAD, b.scratchpad);
  }
  void forward(const StepArgs&) override { forward_.run(); }
  void backward(const StepArgs&) override {
    if (buffers_.diff_src[0]) backward_.run();
  }

 private:
  static bool is_fallback(std::string_view implementation) {
    return implementation.find("ref") != std::string_view::npos;
  }

  Call forward_;
  Call backward_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Lrn& op, const KernelRequest& request, Context& context) {
  return std::make_unique<LrnKernel>(op, request, context);
}

}  // namespace convoy::onednn
