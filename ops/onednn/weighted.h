// What convolution and inner product have in common: three primitives over (src, weights, bias,
// dst) and master weights that lie as the weight gradient writes them, with copies for the passes
// that want another order.
#pragma once

#include <algorithm>
#include <string_view>

#include "ops/onednn/kernels.h"

namespace convoy::onednn {

class WeightedKernel : public Kernel {
 public:
  void bind(const KernelBuffers& b) override;
  void forward(const StepArgs& args) override;
  void backward(const StepArgs& args) override;

 protected:
  // `weight_dims`: the weights' shape as the library sees it (five extents where grouped).
  WeightedKernel(const KernelRequest& request, Context& context, Dims weight_dims,
                 const std::vector<ParameterSpec>& parameters);

  // Master weights whose layout is already decided.
  bool masters_given() const { return masters_given_; }
  MemoryDesc master_weights() const {
    return context_.memory_desc(spec_.parameters[0], weight_dims_);
  }

  // Forward ends with max(0, .), so backward begins by cutting its gradient in place.
  void set_relu() {
    relu_ = true;
    spec_.backward_reads_dst = true;
    spec_.sums_diff_dst = true;
  }
  // Forward takes copies into which a batch-norm is folded (ops/fold.h), the bias at this index.
  void set_folded_bias(std::size_t index) {
    bias_ = index;
    folded_ = true;
    spec_.prepared[index] = spec_.parameters[index];
  }

  // The three passes. A kernel that runs one in another way says so by the functions below instead.
  virtual void run_forward();
  virtual void run_source_gradient();
  virtual void run_weight_gradient(float* weights, float* bias);

  // Each takes a primitive descriptor; the weight gradient first, since it decides how the masters
  // lie. spec_.src and spec_.dst are known by then. Where a primitive reads bf16, what it reads is
  // rounded into the scratchpad, or a copy of the weights.
  template <class PrimitiveDesc>
  void set_weight_gradient(const PrimitiveDesc& desc, const dnnl::primitive& primitive) {
    set_masters(desc.diff_weights_desc());
    round_if_other(src_, spec_.src[0], desc.src_desc());
    round_if_other(diff_dst_, spec_.dst, desc.diff_dst_desc());
    weight_gradient_rounds_ = type_of(desc.src_desc()) != DType::f32;
    weight_gradient_ = Call(context_, primitive);
    weight_gradient_.declare(DNNL_ARG_SRC, desc.src_desc());
    weight_gradient_.declare(DNNL_ARG_DIFF_DST, desc.diff_dst_desc());
    weight_gradient_.declare(DNNL_ARG_DIFF_WEIGHTS, desc.diff_weights_desc());
    weight_gradient_.declare(DNNL_ARG_DIFF_BIAS, desc.diff_bias_desc());
    finish(weight_gradient_, desc);
  }
  template <class PrimitiveDesc>
  void set_source_gradient(const PrimitiveDesc& desc, const dnnl::primitive& primitive) {
    round_if_other(diff_dst_, spec_.dst, desc.diff_dst_desc());
    source_gradient_rounds_ = type_of(desc.diff_dst_desc()) != DType::f32;
    source_gradient_ = Call(context_, primitive);
    source_gradient_.declare(DNNL_ARG_DIFF_SRC, desc.diff_src_desc());
    source_gradient_.declare(DNNL_ARG_WEIGHTS, desc.weights_desc());
    source_gradient_.declare(DNNL_ARG_DIFF_DST, desc.diff_dst_desc());
    finish(source_gradient_, desc);
    prepare_backward(desc.weights_desc());
  }
  template <class PrimitiveDesc>
  void set_forward(const PrimitiveDesc& desc, const dnnl::primitive& primitive) {
    round_if_other(src_, spec_.src[0], desc.src_desc());
    forward_rounds_ = type_of(desc.src_desc()) != DType::f32;
    forward_ = Call(context_, primitive);
    forward_.declare(DNNL_ARG_SRC, desc.src_desc());
    forward_.declare(DNNL_ARG_WEIGHTS, desc.weights_desc());
    forward_.declare(DNNL_ARG_BIAS, desc.bias_desc());
    forward_.declare(DNNL_ARG_DST, desc.dst_desc());
    finish(forward_, desc);
    prepare_forward(desc.weights_desc());
  }

  // What the weight gradient writes, what the source gradient reads, what forward reads.
  void set_masters(const MemoryDesc& weights) {
    spec_.parameters[0] = context_.tensor(spec_.parameters[0].shape, weights);
  }
  void prepare_backward(const MemoryDesc& weights) {
    prepare_if_other(weights, spec_.prepared_backward[0]);
  }
  void prepare_forward(const MemoryDesc& weights) { prepare_if_other(weights, spec_.prepared[0]); }
  void add_algorithm(std::string_view name, std::size_t scratchpad);

  // While bound.
  const float* forward_weights() const;
  const float* forward_bias() const;
  const float* source_gradient_weights() const;

 private:
  template <class PrimitiveDesc>
  void finish(Call& call, const PrimitiveDesc& desc) {
    call.declare(DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc());
    own_scratchpad_ = std::max(own_scratchpad_, desc.scratchpad_desc().get_size());
    add_algorithm(desc.impl_info_str(), rounded_bytes_ + own_scratchpad_);
  }
  void prepare_if_other(const MemoryDesc& wanted, TensorDesc& prepared);

  // A feature map in bf16, made in the scratchpad before a pass that reads it so.
  struct Rounded {
    Call call;
    std::size_t at = 0;  // in the scratchpad
    bool done = false;   // in this backward
  };
  void round_if_other(Rounded& map, const TensorDesc& from, const MemoryDesc& wanted);
  void round_diff_dst();

  Context& context_;
  Dims weight_dims_;
  bool masters_given_;
  bool relu_ = false;
  bool folded_ = false;
  std::size_t bias_ = 1;
  Call forward_;
  Call weight_gradient_;
  Call source_gradient_;
  Rounded src_, diff_dst_;
  bool forward_rounds_ = false;
  bool weight_gradient_rounds_ = false;
  bool source_gradient_rounds_ = false;
  // The scratchpad: rounded feature maps, then what the primitives want.
  std::size_t rounded_bytes_ = 0;
  std::size_t own_scratchpad_ = 0;
};

}  // namespace convoy::onednn
