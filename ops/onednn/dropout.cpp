// Dropout in the layout of its input. The forward pass draws a bit per element, channels last, into
// the workspace; both passes pick the bits that belong to each element from there.
#include "ops/core/random.h"
#include "ops/onednn/kernels.h"
#include "ops/onednn/row_loops.h"

namespace convoy::onednn {
namespace {

class DropoutKernel : public Kernel {
 public:
  DropoutKernel(const Dropout& op, const KernelRequest& request, Context& context)
      : op_(op), loops_(best_row_loops()) {
    const Shape& shape = request.src[0].shape;
    rows_ = shape[0];
    channels_ = shape[1];
    elements_ = shape.elements() / rows_;
    TensorDesc data = request.src[0];
    const MemoryDesc desc = context.memory_desc(data);
    channels_last_ = shape.rank() == 2 || desc == channels_last(onednn::dims_of(shape));
    if (!channels_last_) chunks_ = context.chunks_of(desc);
    if (!channels_last_ && !chunks_) data = plain_desc(shape);
    spec_.src = {data};
    spec_.dst = data;
    words_ = (elements_ + 63) / 64;
    // The loops read bits 64 at a time, from any byte on.
    spec_.workspace = static_cast<std::size_t>(rows_ * words_ + 1) * sizeof(std::uint64_t);
    spec_.forward_in_place = true;
    spec_.backward_in_place = true;
    spec_.sums_diff_dst = true;
    spec_.algorithm = "philox bits";
  }

  void forward(const StepArgs& args) override {
    const std::uint32_t threshold = dropout_threshold(op_.probability);
    for (std::int64_t n = 0; n < rows_; ++n) {
      const Random stream(args.seed, RandomUse::dropout,
                          args.position + static_cast<std::uint64_t>(n), op_.layer);
      loops_.random_bits(stream.counter().data(), stream.key().data(), threshold, words_, bits(n));
    }
    apply(floats(buffers_.dst), floats(buffers_.src[0]), nullptr);
  }

  void backward(const StepArgs&) override {
    if (!buffers_.diff_src[0]) return;
    apply(floats(buffers_.diff_src[0]), floats(buffers_.diff_dst[0]), floats(buffers_.diff_dst[1]));
  }

 private:
  std::uint64_t* bits(std::int64_t n) const {
    return reinterpret_cast<std::uint64_t*>(buffers_.workspace) + n * words_;
  }

  // dst = kept ? (src + also) / (1 - probability) : 0
  void apply(float* dst, const float* src, const float* also) const {
    const auto factor = static_cast<float>(1.0 / (1.0 - op_.probability));
    for (std::int64_t n = 0; n < rows_; ++n) {
      if (chunks_) {
        loops_.keep_chunks(*chunks_, n, dst, src, also, bits(n), factor);
        continue;
      }
      const std::int64_t at = n * elements_;
      const float* more = also ? also + at : nullptr;
      if (channels_last_) {
        loops_.keep(dst + at, src + at, more, bits(n), elements_, factor);
      } else {
        keep_plain(dst + at, src + at, more, bits(n), factor);
      }
    }
  }

  // One row-major image, whose bits lie channels last.
  void keep_plain(float* dst, const float* src, const float* also, const std::uint64_t* bits,
                  float factor) const {
    const std::int64_t pixels = elements_ / channels_;
    for (std::int64_t c = 0, i = 0; c < channels_; ++c) {
      for (std::int64_t p = 0; p < pixels; ++p, ++i) {
        const std::int64_t bit = p * channels_ + c;
        const float value = also ? src[i] + also[i] : src[i];
        dst[i] = (bits[bit / 64] >> (bit % 64) & 1) != 0 ? value * factor : 0.0f;
      }
    }
  }

  Dropout op_;
  const RowLoops& loops_;
  std::int64_t rows_, channels_, elements_;  // elements: of one row
  std::int64_t words_;                       // of 64 bits, for one row
  bool channels_last_;
  std::optional<ChannelChunks> chunks_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const Dropout& op, const KernelRequest& request,
                                    Context& context) {
  if (request.mode == Mode::inference || op.probability == 0) {
    return make_alias_kernel(request.src[0], request.src[0]);
  }
  return std::make_unique<DropoutKernel>(op, request, context);
}

}  // namespace convoy::onednn
