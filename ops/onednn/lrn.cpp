// Local response normalisation: by oneDNN where both of its passes are made for this processor and
// the layout that is offered, else by our own loops. (With AVX2 its backward pass is a plain loop
// or, blocked, makes its forward pass slow: half as fast as ours in sum.)
#include <algorithm>

#include "ops/onednn/kernels.h"

namespace convoy::onednn {
namespace {

struct LrnPrimitives {
  MemoryDesc data;
  dnnl::lrn_forward::primitive_desc forward;
  std::optional<dnnl::lrn_backward::primitive_desc> backward;  // in training

  bool any_fallback() const {
    return is_fallback(forward.impl_info_str()) ||
           (backward && is_fallback(backward->impl_info_str()));
  }
};

LrnPrimitives make_primitives(const Lrn& op, const MemoryDesc& data, bool training,
                              const Context& context) {
  const LrnShape shape{
      .data = data, .size = op.size, .alpha = op.alpha, .beta = op.beta, .k = op.k};
  LrnPrimitives made{data, lrn_forward(context.engine(), training, shape), {}};
  if (training) made.backward = lrn_backward(context.engine(), shape, made.forward);
  return made;
}

class LrnKernel : public Kernel {
 public:
  LrnKernel(const LrnPrimitives& made, const Shape& shape, Context& context) {
    spec_.src = {context.tensor(shape, made.data)};
    spec_.dst = spec_.src[0];
    spec_.workspace = made.forward.workspace_desc().get_size();
    spec_.scratchpad = made.forward.scratchpad_desc().get_size();
    spec_.backward_reads_src = true;
    spec_.algorithm = made.forward.impl_info_str();
    forward_ = Call(context, dnnl::lrn_forward(made.forward));
    forward_.declare(DNNL_ARG_SRC, made.data);
    forward_.declare(DNNL_ARG_DST, made.data);
    forward_.declare(DNNL_ARG_WORKSPACE, made.forward.workspace_desc());
    forward_.declare(DNNL_ARG_SCRATCHPAD, made.forward.scratchpad_desc());
    if (!made.backward) return;
    spec_.scratchpad = std::max(spec_.scratchpad, made.backward->scratchpad_desc().get_size());
    backward_ = Call(context, dnnl::lrn_backward(*made.backward));
    backward_.declare(DNNL_ARG_SRC, made.data);
    backward_.declare(DNNL_ARG_DIFF_DST, made.data);
    backward_.declare(DNNL_ARG_DIFF_SRC, made.data);
    backward_.declare(DNNL_ARG_WORKSPACE, made.forward.workspace_desc());
    backward_.declare(DNNL_ARG_SCRATCHPAD, made.backward->scratchpad_desc());
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
  Call forward_;
  Call backward_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Lrn& op, const KernelRequest& request, Context& context) {
  const bool training = request.mode == Mode::training;
  const LrnPrimitives made =
      make_primitives(op, context.memory_desc(request.src[0]), training, context);
  if (made.any_fallback()) return make_strip_lrn(op, request, context);
  return std::make_unique<LrnKernel>(made, request.src[0].shape, context);
}

}  // namespace convoy::onednn
