// Pooling by oneDNN, in the layout of its input. Global pooling is average pooling with a window of
// the whole map.
#include "ops/onednn/call_kernel.h"
#include "ops/onednn/kernels.h"
#include "ops/onednn/window_pool.h"

namespace convoy::onednn {
namespace {

class PoolKernel : public CallKernel {
 public:
  PoolKernel(dnnl::algorithm algorithm, const Pool& op, const Shape& dst,
             const KernelRequest& request, Context& context) {
    const bool training = request.mode == Mode::training;
    const Padding pad = reached_padding(op, request.src[0].shape, dst);
    PoolShape shape{.algorithm = algorithm,
                    .src = context.memory_desc(request.src[0]),
                    .dst = any(dims_of(dst)),
                    .strides = {op.stride.h, op.stride.w},
                    .kernel = {op.kernel.h, op.kernel.w},
                    .pad_before = {op.pad.top, op.pad.left},
                    .pad_after = {pad.bottom, pad.right}};
    const auto forward = pool_forward(context.engine(), training, shape);
    shape.dst = forward.dst_desc();
    spec_.src = {request.src[0]};
    spec_.dst = context.tensor(dst, shape.dst);
    set_forward<dnnl::pooling_forward>(context, forward,
                                       {{DNNL_ARG_SRC, shape.src}, {DNNL_ARG_DST, shape.dst}});
    if (!training) return;
    set_backward<dnnl::pooling_backward>(
        context, pool_backward(context.engine(), shape, forward),
        {{DNNL_ARG_DIFF_SRC, shape.src}, {DNNL_ARG_DIFF_DST, shape.dst}});
  }
};

dnnl::algorithm algorithm_of(const Pool& op) {
  if (op.kind == PoolKind::max) return dnnl::algorithm::pooling_max;
  return op.count_padding ? dnnl::algorithm::pooling_avg_include_padding
                          : dnnl::algorithm::pooling_avg_exclude_padding;
}

bool reaches_beyond_padding(const Pool& op, const Shape& src, const Shape& dst) {
  const Padding reached = reached_padding(op, src, dst);
  return reached.bottom > op.pad.bottom || reached.right > op.pad.right;
}

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Pool& op, const KernelRequest& request,
                                    Context& context) {
  const std::array inputs{request.src[0].shape};
  const Shape dst = output_shape(op, request.place, inputs);
  Pool pool = op;
  if (reaches_beyond_padding(op, inputs[0], dst)) {
    if (op.pad == Padding(0)) {
      pool.count_padding = false;  // there is none, and what lies beyond does not count either
    } else if (op.kind == PoolKind::average && op.count_padding) {
      return make_window_pool(windows_of(op, inputs[0], dst), request);
    }
  }
  if (op.kind == PoolKind::l2) return make_window_pool(windows_of(op, inputs[0], dst), request);
  return std::make_unique<PoolKernel>(algorithm_of(pool), pool, dst, request, context);
}

std::unique_ptr<Kernel> make_kernel(const GlobalPool& op, const KernelRequest& request,
                                    Context& context) {
  const std::array inputs{request.src[0].shape};
  const Extent whole(static_cast<int>(inputs[0][2]), static_cast<int>(inputs[0][3]));
  const Pool pool{.kind = PoolKind::average, .kernel = whole, .stride = whole};
  return std::make_unique<PoolKernel>(algorithm_of(pool), pool,
                                      output_shape(op, request.place, inputs), request, context);
}

std::unique_ptr<Kernel> make_kernel(const AdaptivePool& op, const KernelRequest& request,
                                    Context& context) {
  const Shape& src = request.src[0].shape;
  if (src[2] == op.height && src[3] == op.width) {
    return make_alias_kernel(request.src[0], request.src[0]);
  }
  if (src[2] % op.height == 0 && src[3] % op.width == 0) {
    const Extent part(static_cast<int>(src[2]) / op.height, static_cast<int>(src[3]) / op.width);
    return make_kernel(Pool{.kind = PoolKind::average, .kernel = part, .stride = part}, request,
                       context);
  }
  return make_window_pool(windows_of(op, src), request);
}

}  // namespace convoy::onednn
