// CallKernel: an op of one input that the library computes by one primitive in each pass.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "ops/onednn/memory.h"

namespace convoy::onednn {

class CallKernel : public Kernel {
 public:
  void bind(const KernelBuffers& b) override {
    Kernel::bind(b);
    forward_.set(DNNL_ARG_SRC, b.src[0]);
    forward_.set(DNNL_ARG_DST, b.dst);
    forward_.set(DNNL_ARG_WORKSPACE, b.workspace);
    forward_.set(DNNL_ARG_SCRATCHPAD, b.scratchpad);
    backward_.set(DNNL_ARG_SRC, b.src[0]);
    backward_.set(DNNL_ARG_DST, b.dst);
    backward_.set(DNNL_ARG_DIFF_DST, b.diff_dst[0]);
    backward_.set(DNNL_ARG_DIFF_SRC, b.diff_src[0]);
    backward_.set(DNNL_ARG_WORKSPACE, b.workspace);
    backward_.set(DNNL_ARG_SCRATCHPAD, b.scratchpad);
  }
  void forward(const StepArgs&) override { forward_.run(); }
  void backward(const StepArgs&) override {
    if (buffers_.diff_src[0]) backward_.run();
  }

 protected:
  // What a pass reads and writes, workspace and scratchpad apart.
  using Arguments = std::initializer_list<std::pair<int, MemoryDesc>>;

  template <class Primitive>
  void set_forward(const Context& context, const typename Primitive::primitive_desc& desc,
                   Arguments arguments) {
    spec_.algorithm = desc.impl_info_str();
    spec_.workspace = desc.workspace_desc().get_size();
    forward_ = make_call<Primitive>(context, desc, arguments);
  }
  template <class Primitive>
  void set_backward(const Context& context, const typename Primitive::primitive_desc& desc,
                    Arguments arguments) {
    backward_ = make_call<Primitive>(context, desc, arguments);
  }

 private:
  template <class Primitive>
  Call make_call(const Context& context, const typename Primitive::primitive_desc& desc,
                 Arguments arguments) {
    Call call(context, Primitive(desc));
    for (const auto& [argument, memory] : arguments) call.declare(argument, memory);
    call.declare(DNNL_ARG_WORKSPACE, desc.workspace_desc());
    call.declare(DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc());
    spec_.scratchpad = std::max(spec_.scratchpad, desc.scratchpad_desc().get_size());
    return call;
  }

  Call forward_;
  Call backward_;
};

}  // namespace convoy::onednn
