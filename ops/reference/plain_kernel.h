// PlainKernel: what all reference kernels share. Every tensor is row-major float32; sums are taken
// in double and rounded once.
#pragma once

#include <algorithm>
#include <span>

#include "ops/backend.h"

namespace convoy::reference {

class PlainKernel : public Kernel {
 protected:
  // Fills in the plain descriptions of all tensors; promises nothing about aliasing.
  PlainKernel(const Op& op, const KernelRequest& request);

  const float* src(int i = 0) const { return reinterpret_cast<const float*>(buffers_.src[i]); }
  float* dst() const { return reinterpret_cast<float*>(buffers_.dst); }
  // Null where not wanted.
  float* diff_src(int i = 0) const { return reinterpret_cast<float*>(buffers_.diff_src[i]); }
  const float* diff_dst(int i = 0) const {
    return reinterpret_cast<const float*>(buffers_.diff_dst[i]);
  }
  // The sum of what all consumers sent, for kernels whose spec says sums_diff_dst.
  double diff_dst_sum(std::int64_t i) const {
    return static_cast<double>(diff_dst(0)[i]) + (diff_dst(1) ? diff_dst(1)[i] : 0.0f);
  }
  const float* parameter(int i) const { return buffers_.parameters[i]; }
  // Null where not wanted.
  float* gradient(const StepArgs& args, int i) const {
    return buffers_.gradient_wanted[i] ? args.gradients + buffers_.gradient_offsets[i] : nullptr;
  }
  // The scratchpad as this many zeros; the kernel asked for the largest it uses.
  std::span<double> zeros(const Shape& shape) const {
    auto* first = reinterpret_cast<double*>(buffers_.scratchpad);
    std::fill_n(first, shape.elements(), 0.0);
    return {first, static_cast<std::size_t>(shape.elements())};
  }
  const Shape& src_shape() const { return spec_.src[0].shape; }
  const Shape& dst_shape() const { return spec_.dst.shape; }
};

}  // namespace convoy::reference
