// Batch normalisation with a fused addition and ReLU, by our own loops over the layout of its
// input. The library has no batch-norm + add + ReLU on CPUs, and its two-pass statistics read the
// map twice.
//
// Forward: one pass for the statistics, unless they are fixed, one to normalise, add and cut.
// Backward: one pass for the two sums (which also writes the gradient of the added input), one for
// diff_src. Each chunk of channels finishes all its passes while it is in cache. Synchronised, both
// measure all chunks first and add up over the lanes in between.
#include <cmath>
#include <cstring>
#include <limits>

#include "ops/onednn/kernels.h"

namespace convoy::onednn {
namespace {

class BatchNormKernel : public Kernel {
 public:
  BatchNormKernel(const BatchNorm& op, const KernelRequest& request, Context& context,
                  std::span<const Shape> inputs)
      : op_(op),
        training_(request.mode == Mode::training),
        measures_(training_ && !op.fixed_statistics),
        threads_(context.threads()),
        loops_(best_loops()) {
    if (measures_) require_statistics(op, request.place, request.src[0].shape);
    TensorDesc map = request.src[0];
    if (!context.chunks_of(context.memory_desc(map))) {
      map = context.tensor(map.shape, context.blocked(onednn::dims_of(map.shape)));
    }
    map_ = *context.chunks_of(context.memory_desc(map));
    spec_.src.assign(op.add ? 2 : 1, map);
    spec_.dst = map;
    for (const ParameterSpec& parameter : parameters(op, inputs)) {
      spec_.parameters.push_back(plain_desc(parameter.shape));
    }
    spec_.prepared.resize(spec_.parameters.size());
    spec_.prepared_backward.resize(spec_.parameters.size());
    spec_.workspace = training_ ? 2 * padded_channels() * sizeof(float) : 0;
    if (measures_ && op.synchronised) spec_.scratchpad = totals_count() * sizeof(double);
    spec_.backward_reads_src = true;
    spec_.backward_reads_dst = op.add && op.relu;
    spec_.backward_in_place = !op.add;
    spec_.shares_diff_dst = op.add;
    spec_.sums_diff_dst = true;
    spec_.algorithm = fmt::format("loops{}", map_.width);
  }

  void forward(const StepArgs& args) override {
    const bool together = with_others(args);
    if (together) measure_together(args);
    for_each_chunk([&](std::int64_t chunk) {
      float mean[max_width], inverse[max_width], scale[max_width], shift[max_width];
      if (measures_) {
        if (!together) measure(chunk, args);
        coefficients(chunk, means() + chunk * map_.width, inverse_deviations() + chunk * map_.width,
                     scale, shift);
      } else {
        take_running(chunk, mean, inverse);
        coefficients(chunk, mean, inverse, scale, shift);
        if (training_) keep_for_backward(chunk, mean, inverse);
      }
      loops_.normalize(map_, chunk, floats(buffers_.src[0]),
                       op_.add ? floats(buffers_.src[1]) : nullptr, floats(buffers_.dst), scale,
                       shift, op_.relu, op_.relu_cap);
    });
  }

  void backward(const StepArgs& args) override {
    if (with_others(args)) return backward_together(args);
    for_each_chunk([&](std::int64_t chunk) {
      double sum[max_width] = {}, product[max_width] = {};
      if (measures_ || masked_gradient() || wants_parameter_gradients()) {
        add_up_gradient(chunk, args, sum, product);
      }
      if (buffers_.diff_src[0]) write_source_gradient(chunk, sum, product, answering());
    });
  }

 private:
  enum { gamma, beta, running_mean, running_variance };

  bool with_others(const StepArgs& args) const {
    return measures_ && op_.synchronised && args.sum_over_lanes;
  }
  bool wants_parameter_gradients() const {
    return buffers_.gradient_wanted[gamma] || buffers_.gradient_wanted[beta];
  }
  std::size_t padded_channels() const { return static_cast<std::size_t>(map_.chunks * map_.width); }
  double count() const { return static_cast<double>(map_.images * map_.pixels); }
  // Over how many values the statistics are a mean that answers to this map: fixed ones do not.
  double answering() const { return measures_ ? count() : std::numeric_limits<double>::infinity(); }
  // What lanes add up, in the scratchpad: the count of values, then two sums per channel.
  std::size_t totals_count() const { return 1 + 2 * static_cast<std::size_t>(map_.channels); }
  std::span<double> totals() const {
    return {reinterpret_cast<double*>(buffers_.scratchpad), totals_count()};
  }
  float* means() const { return floats(buffers_.workspace); }
  float* inverse_deviations() const { return means() + padded_channels(); }
  int channels_in(std::int64_t chunk) const {
    return static_cast<int>(std::min<std::int64_t>(map_.width, map_.channels - chunk * map_.width));
  }

  template <class Body>
  void for_each_chunk(const Body& body) const {
#pragma omp parallel for num_threads(threads_) if (threads_ > 1)
    for (std::int64_t chunk = 0; chunk < map_.chunks; ++chunk) body(chunk);
  }

  // Batch statistics into the workspace and the lane's arena.
  void measure(std::int64_t chunk, const StepArgs& args) const {
    float variance[max_width];
    loops_.statistics(map_, chunk, floats(buffers_.src[0]), means() + chunk * map_.width, variance);
    keep_statistics(chunk, args, variance, count());
  }

  // Likewise of all lanes. Sums of squares, in double, keep eight digits of a variance a hundred
  // million times smaller than the square of its mean.
  void measure_together(const StepArgs& args) const {
    double* sum = totals().data() + 1;
    double* square = sum + map_.channels;
    totals()[0] = count();
    for_each_chunk([&](std::int64_t chunk) {
      float mean[max_width], variance[max_width];
      loops_.statistics(map_, chunk, floats(buffers_.src[0]), mean, variance);
      for (int c = 0; c < channels_in(chunk); ++c) {
        sum[chunk * map_.width + c] = count() * mean[c];
        square[chunk * map_.width + c] = count() * (double{mean[c]} * mean[c] + variance[c]);
      }
    });
    (*args.sum_over_lanes)(totals());
    const double all = totals()[0];
    for (std::int64_t chunk = 0; chunk < map_.chunks; ++chunk) {
      float* mean = means() + chunk * map_.width;
      float variance[max_width] = {};
      std::fill_n(mean, map_.width, 0.0f);
      for (int c = 0; c < channels_in(chunk); ++c) {
        const double centre = sum[chunk * map_.width + c] / all;
        mean[c] = static_cast<float>(centre);
        variance[c] = static_cast<float>(
            std::max(square[chunk * map_.width + c] / all - centre * centre, 0.0));
      }
      keep_statistics(chunk, args, variance, all);
    }
  }

  // The means are in the workspace; `variance` is biased, of `count` values.
  void keep_statistics(std::int64_t chunk, const StepArgs& args, const float* variance,
                       double count) const {
    const float* mean = means() + chunk * map_.width;
    float* inverse = inverse_deviations() + chunk * map_.width;
    const double unbiased = count > 1 ? count / (count - 1) : 1.0;
    float* lane_mean =
        args.gradients + buffers_.gradient_offsets[running_mean] + chunk * map_.width;
    float* lane_variance =
        args.gradients + buffers_.gradient_offsets[running_variance] + chunk * map_.width;
    for (int c = 0; c < channels_in(chunk); ++c) {
      lane_mean[c] = mean[c];
      lane_variance[c] = static_cast<float>(variance[c] * unbiased);
    }
    for (int c = 0; c < map_.width; ++c) inverse[c] = 1.0f / std::sqrt(variance[c] + op_.epsilon);
  }

  // z = src * scale + shift. Channels that only pad the chunk get zeros, and so stay zero.
  void coefficients(std::int64_t chunk, const float* mean, const float* inverse, float* scale,
                    float* shift) const {
    const float* g = buffers_.parameters[gamma] + chunk * map_.width;
    const float* b = buffers_.parameters[beta] + chunk * map_.width;
    for (int c = 0; c < map_.width; ++c) {
      const bool real = c < channels_in(chunk);
      scale[c] = real ? g[c] * inverse[c] : 0.0f;
      shift[c] = real ? b[c] - mean[c] * scale[c] : 0.0f;
    }
  }

  void take_running(std::int64_t chunk, float* mean, float* inverse) const {
    std::fill_n(mean, map_.width, 0.0f);
    std::fill_n(inverse, map_.width, 0.0f);
    for (int c = 0; c < channels_in(chunk); ++c) {
      mean[c] = buffers_.parameters[running_mean][chunk * map_.width + c];
      inverse[c] = 1.0f / std::sqrt(buffers_.parameters[running_variance][chunk * map_.width + c] +
                                    op_.epsilon);
    }
  }

  void keep_for_backward(std::int64_t chunk, const float* mean, const float* inverse) const {
    std::copy_n(mean, map_.width, means() + chunk * map_.width);
    std::copy_n(inverse, map_.width, inverse_deviations() + chunk * map_.width);
  }

  void backward_together(const StepArgs& args) const {
    double* sums = totals().data() + 1;
    double* products = sums + map_.channels;
    for_each_chunk([&](std::int64_t chunk) {
      double sum[max_width] = {}, product[max_width] = {};
      add_up_gradient(chunk, args, sum, product);
      std::copy_n(sum, channels_in(chunk), sums + chunk * map_.width);
      std::copy_n(product, channels_in(chunk), products + chunk * map_.width);
    });
    if (!buffers_.diff_src[0]) return;  // in no lane
    totals()[0] = count();
    (*args.sum_over_lanes)(totals());
    for_each_chunk([&](std::int64_t chunk) {
      double sum[max_width] = {}, product[max_width] = {};
      std::copy_n(sums + chunk * map_.width, channels_in(chunk), sum);
      std::copy_n(products + chunk * map_.width, channels_in(chunk), product);
      write_source_gradient(chunk, sum, product, totals()[0]);
    });
  }

  // Where the first pass over the gradient leaves it masked and summed: for the added input, or for
  // the second pass; or null.
  float* masked_gradient() const {
    if (op_.add && buffers_.diff_src[1]) return floats(buffers_.diff_src[1]);
    return op_.add || buffers_.diff_dst[1] ? floats(buffers_.diff_dst[0]) : nullptr;
  }

  // The first pass: sums of this lane per channel, and the gradients of the parameters.
  void add_up_gradient(std::int64_t chunk, const StepArgs& args, double* sum,
                       double* product) const {
    const float* inverse = inverse_deviations() + chunk * map_.width;
    float scale[max_width], shift[max_width];
    coefficients(chunk, means() + chunk * map_.width, inverse, scale, shift);
    NormGradient gradient{.cap = op_.relu_cap,
                          .src = floats(buffers_.src[0]),
                          .dst = floats(buffers_.dst),
                          .diff_dst = floats(buffers_.diff_dst[0]),
                          .diff_dst_also = floats(buffers_.diff_dst[1]),
                          .diff_sum = masked_gradient(),
                          .scale = scale,
                          .shift = shift,
                          .mean = means() + chunk * map_.width};
    if (op_.relu) gradient.mask = op_.add ? ReluMask::from_dst : ReluMask::from_src;
    loops_.gradient_sums(map_, chunk, gradient, sum, product);
    write_parameter_gradients(chunk, args, inverse, sum, product);
  }

  // The second pass, with sums over `count` values.
  void write_source_gradient(std::int64_t chunk, const double* sum, const double* product,
                             double count) const {
    const float* inverse = inverse_deviations() + chunk * map_.width;
    float scale[max_width], shift[max_width], constant[max_width], slope[max_width];
    coefficients(chunk, means() + chunk * map_.width, inverse, scale, shift);
    for (int c = 0; c < map_.width; ++c) {
      constant[c] = static_cast<float>(scale[c] * sum[c] / count);
      slope[c] =
          static_cast<float>(double{scale[c]} * inverse[c] * inverse[c] * product[c] / count);
    }
    NormGradient gradient{.cap = op_.relu_cap,
                          .src = floats(buffers_.src[0]),
                          .diff_dst = masked_gradient(),
                          .scale = scale,
                          .shift = shift,
                          .mean = means() + chunk * map_.width};
    if (!gradient.diff_dst) {
      gradient.diff_dst = floats(buffers_.diff_dst[0]);
      gradient.mask = op_.relu ? ReluMask::from_src : ReluMask::none;
    }
    loops_.gradient(map_, chunk, gradient, floats(buffers_.diff_src[0]), scale, constant, slope);
  }

  void write_parameter_gradients(std::int64_t chunk, const StepArgs& args, const float* inverse,
                                 const double* sum, const double* product) const {
    float* d_gamma = args.gradients + buffers_.gradient_offsets[gamma] + chunk * map_.width;
    float* d_beta = args.gradients + buffers_.gradient_offsets[beta] + chunk * map_.width;
    for (int c = 0; c < channels_in(chunk); ++c) {
      if (buffers_.gradient_wanted[gamma]) d_gamma[c] = static_cast<float>(product[c] * inverse[c]);
      if (buffers_.gradient_wanted[beta]) d_beta[c] = static_cast<float>(sum[c]);
    }
  }

  BatchNorm op_;
  bool training_;
  bool measures_;  // else it takes the running statistics
  int threads_;
  const Loops& loops_;
  ChannelChunks map_;
};

}  // namespace

std::unique_ptr<Kernel> make_kernel(const BatchNorm& op, const KernelRequest& request,
                                    Context& context) {
  const std::array inputs{request.src[0].shape};
  return std::make_unique<BatchNormKernel>(op, request, context, inputs);
}

}  // namespace convoy::onednn
