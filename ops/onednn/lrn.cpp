// Local response normalisation: by oneDNN where both of its passes are made for this processor and
// the layout that is offered, else by our own loops. (With AVX2 its backward pass is a plain loop
// or, blocked, makes its forward pass slow: half as fast as ours in sum.)
#include "ops/onednn/call_kernel.h"
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

class LrnKernel : public CallKernel {
 public:
  LrnKernel(const LrnPrimitives& made, const Shape& shape, Context& context) {
    spec_.src = {context.tensor(shape, made.data)};
    spec_.dst = spec_.src[0];
    spec_.backward_reads_src = true;
    set_forward<dnnl::lrn_forward>(context, made.forward,
                                   {{DNNL_ARG_SRC, made.data}, {DNNL_ARG_DST, made.data}});
    if (!made.backward) return;
    set_backward<dnnl::lrn_backward>(context, *made.backward,
                                     {{DNNL_ARG_SRC, made.data},
                                      {DNNL_ARG_DIFF_DST, made.data},
                                      {DNNL_ARG_DIFF_SRC, made.data}});
  }
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
