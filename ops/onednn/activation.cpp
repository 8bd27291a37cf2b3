// Element-wise ops in the layout of their input: non-linearities by oneDNN, in place; addition by
// our own loop; flatten as a change of name.
#include <cstring>

#include "ops/onednn/call_kernel.h"
#include "ops/onednn/kernels.h"
#include "ops/onednn/loops.h"

namespace convoy::onednn {
namespace {

class ActivationKernel : public CallKernel {
 public:
  ActivationKernel(const Eltwise& function, const KernelRequest& request, Context& context) {
    const MemoryDesc data = context.memory_desc(request.src[0]);
    const bool training = request.mode == Mode::training;
    spec_.src = {request.src[0]};
    spec_.dst = request.src[0];
    spec_.backward_reads_dst = true;
    spec_.forward_in_place = true;
    spec_.backward_in_place = true;
    const auto forward = eltwise_forward(context.engine(), training, function, data);
    set_forward<dnnl::eltwise_forward>(context, forward,
                                       {{DNNL_ARG_SRC, data}, {DNNL_ARG_DST, data}});
    if (!training) return;
    set_backward<dnnl::eltwise_backward>(
        context, eltwise_backward(context.engine(), function, data, forward),
        {{DNNL_ARG_DST, data}, {DNNL_ARG_DIFF_DST, data}, {DNNL_ARG_DIFF_SRC, data}});
  }
};

Eltwise function_of(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::relu:
      return {dnnl::algorithm::eltwise_relu_use_dst_for_bwd};
    case ActivationKind::relu6:
      return {dnnl::algorithm::eltwise_clip_v2_use_dst_for_bwd, 0, 6};
    case ActivationKind::sigmoid:
      return {dnnl::algorithm::eltwise_logistic_use_dst_for_bwd};
    case ActivationKind::tanh:
      return {dnnl::algorithm::eltwise_tanh_use_dst_for_bwd};
  }
  fail(ExitCode::internal, "activation", "kind {} is unknown", static_cast<int>(kind));
}

class AddKernel : public Kernel {
 public:
  explicit AddKernel(const KernelRequest& request) {
    spec_.src = {request.src[0], request.src[0]};
    spec_.dst = request.src[0];
    spec_.algorithm = "loops";
  }
  void forward(const StepArgs&) override {
    best_loops().add(floats(buffers_.dst), floats(buffers_.src[0]), floats(buffers_.src[1]),
                     count());
  }
  void backward(const StepArgs&) override {
    for (std::byte* diff_src : buffers_.diff_src) {
      if (diff_src) std::memcpy(diff_src, buffers_.diff_dst[0], spec_.dst.bytes);
    }
  }

 private:
  std::size_t count() const { return spec_.dst.bytes / sizeof(float); }
};

class AliasKernel : public Kernel {
 public:
  AliasKernel(const TensorDesc& src, const TensorDesc& dst) {
    spec_.src = {src};
    spec_.dst = dst;
    spec_.forward_in_place = true;
    spec_.backward_in_place = true;
    spec_.algorithm = "alias";
  }
  void forward(const StepArgs&) override { copy(buffers_.dst, buffers_.src[0]); }
  void backward(const StepArgs&) override {
    if (buffers_.diff_src[0]) copy(buffers_.diff_src[0], buffers_.diff_dst[0]);
  }

 private:
  void copy(std::byte* to, const std::byte* from) const {
    if (to != from) std::memcpy(to, from, spec_.dst.bytes);
  }
};

class ReorderKernel : public Kernel {
 public:
  ReorderKernel(const TensorDesc& from, const TensorDesc& to, Context& context) {
    const bool from_plain = from.layout.plain();
    const MemoryDesc known = context.memory_desc(from_plain ? to : from);
    const MemoryDesc src = context.memory_desc(from, onednn::dims_of(known));
    const MemoryDesc dst = context.memory_desc(to, onednn::dims_of(known));
    spec_.src = {from};
    spec_.dst = to;
    spec_.algorithm = "reorder";
    forward_ = make_reorder(context, src, dst);
    backward_ = make_reorder(context, dst, src);
  }
  void bind(const KernelBuffers& b) override {
    Kernel::bind(b);
    forward_.set(DNNL_ARG_FROM, b.src[0]);
    forward_.set(DNNL_ARG_TO, b.dst);
    backward_.set(DNNL_ARG_FROM, b.diff_dst[0]);
    backward_.set(DNNL_ARG_TO, b.diff_src[0]);
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

std::unique_ptr<Kernel> make_kernel(const Activation& op, const KernelRequest& request,
                                    Context& context) {
  return std::make_unique<ActivationKernel>(function_of(op.kind), request, context);
}

std::unique_ptr<Kernel> make_kernel(const Add&, const KernelRequest& request, Context&) {
  return std::make_unique<AddKernel>(request);
}

std::unique_ptr<Kernel> make_kernel(const Flatten& op, const KernelRequest& request, Context&) {
  const std::array inputs{request.src[0].shape};
  return make_alias_kernel(plain_desc(inputs[0]),
                           plain_desc(output_shape(op, request.place, inputs)));
}

std::unique_ptr<Kernel> make_alias_kernel(const TensorDesc& src, const TensorDesc& dst) {
  return std::make_unique<AliasKernel>(src, dst);
}

std::unique_ptr<Kernel> make_reorder_kernel(const TensorDesc& from, const TensorDesc& to,
                                            Context& context) {
  return std::make_unique<ReorderKernel>(from, to, context);
}

}  // namespace convoy::onednn
