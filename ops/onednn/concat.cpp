// Concatenation over channels: per image, each input is one run of memory (blocked and row-major
// layouts) or one run per pixel (channels last).
#include <cstring>

#include "ops/onednn/kernels.h"
#include "ops/onednn/loops.h"

namespace convoy::onednn {
namespace {

class ConcatKernel : public Kernel {
 public:
  ConcatKernel(const Shape& dst, const KernelRequest& request, Context& context)
      : loops_(best_loops()) {
    const Order order = order_for(request, context);
    const auto in_order = [&](const Shape& shape) {
      if (order == Order::plain) return plain_desc(shape);
      const Dims dims = onednn::dims_of(shape);
      return context.tensor(
          shape, order == Order::blocked ? context.blocked(dims) : onednn::channels_last(dims));
    };
    const std::int64_t pixels = dst.elements() / (dst[0] * dst[1]);
    const std::int64_t run_pixels = order == Order::channels_last ? 1 : pixels;
    for (const TensorDesc& offered : request.src) {
      spec_.src.push_back(in_order(offered.shape));
      runs_.push_back(static_cast<std::size_t>(offered.shape[1] * run_pixels));
      stride_ += runs_.back();
    }
    count_ = dst[0] * pixels / run_pixels;
    spec_.dst = in_order(dst);
    spec_.sums_diff_dst = true;
    spec_.algorithm = "runs";
  }

  void forward(const StepArgs&) override {
    std::size_t first = 0;
    for (std::size_t input = 0; input < runs_.size(); ++input) {
      const float* src = floats(buffers_.src[input]);
      float* dst = floats(buffers_.dst) + first;
      for (std::int64_t i = 0; i < count_; ++i, src += runs_[input], dst += stride_) {
        std::memcpy(dst, src, runs_[input] * sizeof(float));
      }
      first += runs_[input];
    }
  }

  void backward(const StepArgs&) override {
    std::size_t first = 0;
    for (std::size_t input = 0; input < runs_.size(); ++input) {
      if (buffers_.diff_src[input]) split(input, first);
      first += runs_[input];
    }
  }

 private:
  enum class Order { plain, channels_last, blocked };

  // Blocked if any input is and no block mixes two of them; channels last if all are.
  static Order order_for(const KernelRequest& request, const Context& context) {
    bool any_blocked = false, whole_blocks = true, all_last = true;
    for (const TensorDesc& offered : request.src) {
      const Dims dims = onednn::dims_of(offered.shape);
      if (dims.size() != 4) return Order::plain;
      const MemoryDesc desc = context.memory_desc(offered);
      any_blocked |= desc == context.blocked(dims);
      all_last &= desc == onednn::channels_last(dims);
      whole_blocks &= dims[1] % context.simd_width() == 0;
    }
    if (any_blocked && whole_blocks) return Order::blocked;
    return all_last ? Order::channels_last : Order::plain;
  }

  void split(std::size_t input, std::size_t first) const {
    const std::size_t run = runs_[input];
    float* to = floats(buffers_.diff_src[input]);
    const float* from = floats(buffers_.diff_dst[0]) + first;
    const float* also = buffers_.diff_dst[1] ? floats(buffers_.diff_dst[1]) + first : nullptr;
    for (std::int64_t i = 0; i < count_; ++i, to += run, from += stride_) {
      if (!also) {
        std::memcpy(to, from, run * sizeof(float));
        continue;
      }
      loops_.add(to, from, also, run);
      also += stride_;
    }
  }

  const Loops& loops_;
  std::vector<std::size_t> runs_;  // floats of each input that follow one another in dst
  std::size_t stride_ = 0;         // their sum
  std::int64_t count_ = 0;         // how often
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Concat& op, const KernelRequest& request,
                                    Context& context) {
  std::vector<Shape> inputs;
  for (const TensorDesc& offered : request.src) inputs.push_back(offered.shape);
  return std::make_unique<ConcatKernel>(output_shape(op, request.place, inputs), request, context);
}

}  // namespace convoy::onednn
