#include "trainer/whitening.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "data/loader.h"
#include "ops/core/check.h"
#include "trainer/setup.h"
#include "trainer/training_loader.h"

namespace convoy {
namespace {

constexpr double fewest_images = 16, most_images = 2048;
constexpr double most_products = 2e9;
constexpr double smallest_eigenvalue = 5e-4;

// Symmetric, row-major.
class Matrix {
 public:
  explicit Matrix(int size) : size_(size), values_(static_cast<std::size_t>(size) * size) {}
  int size() const { return size_; }
  double& operator()(int row, int column) { return values_[row * size_ + column]; }
  double operator()(int row, int column) const { return values_[row * size_ + column]; }

 private:
  int size_;
  std::vector<double> values_;
};

struct Eigen {
  std::vector<double> values;
  Matrix vectors;  // in its columns
};

// By Jacobi's method (Golub and Van Loan, "Matrix computations", section 8.5): rotations that make
// one element off the diagonal zero, row by row, until all of them are.
Eigen eigen_of(Matrix a) {
  const int n = a.size();
  Matrix v(n);
  for (int i = 0; i < n; ++i) v(i, i) = 1;
  double trace = 0;
  for (int i = 0; i < n; ++i) trace += a(i, i);
  const double negligible = 1e-14 * trace;
  constexpr int most_sweeps = 50;
  for (int sweep = 0; sweep < most_sweeps; ++sweep) {
    bool done = true;
    for (int p = 0; p < n; ++p) {
      for (int q = p + 1; q < n; ++q) {
        if (std::abs(a(p, q)) <= negligible) continue;
        done = false;
        const double tau = (a(q, q) - a(p, p)) / (2 * a(p, q));
        const double t = (tau >= 0 ? 1 : -1) / (std::abs(tau) + std::sqrt(1 + tau * tau));
        const double c = 1 / std::sqrt(1 + t * t), s = t * c;
        for (int k = 0; k < n; ++k) {
          const double kp = a(k, p), kq = a(k, q);
          a(k, p) = c * kp - s * kq;
          a(k, q) = s * kp + c * kq;
        }
        for (int k = 0; k < n; ++k) {
          const double pk = a(p, k), qk = a(q, k);
          a(p, k) = c * pk - s * qk;
          a(q, k) = s * pk + c * qk;
          const double vp = v(k, p), vq = v(k, q);
          v(k, p) = c * vp - s * vq;
          v(k, q) = s * vp + c * vq;
        }
      }
    }
    if (done) break;
  }
  Eigen eigen{{}, v};
  for (int i = 0; i < n; ++i) eigen.values.push_back(a(i, i));
  return eigen;
}

// Sums of x x^T over all patches of an image [C, H, W], of extents [C, KH, KW].
void add_moments(std::span<const float> image, const Shape& shape, const Shape& patch,
                 Matrix& moments) {
  const std::int64_t height = shape[1], width = shape[2];
  std::vector<std::int64_t> offsets;
  for (std::int64_t c = 0; c < patch[0]; ++c) {
    for (std::int64_t y = 0; y < patch[1]; ++y) {
      for (std::int64_t x = 0; x < patch[2]; ++x) offsets.push_back((c * height + y) * width + x);
    }
  }
  const std::int64_t columns = width - patch[2] + 1;
  for (int i = 0; i < moments.size(); ++i) {
    for (int j = i; j < moments.size(); ++j) {
      double sum = 0;
      for (std::int64_t y = 0; y + patch[1] <= height; ++y) {
        const float* a = image.data() + y * width + offsets[i];
        const float* b = image.data() + y * width + offsets[j];
        float row = 0;
        for (std::int64_t x = 0; x < columns; ++x) row += a[x] * b[x];
        sum += row;
      }
      moments(i, j) += sum;
    }
  }
}

// The layer's weights among the parameters of the graph; checks that it can be whitened.
int weights_of(const std::string& layer, const Graph& graph) {
  const auto node = std::ranges::find(graph.nodes(), layer, &Node::name);
  const auto* conv = node == graph.nodes().end() ? nullptr : std::get_if<Conv>(&node->op);
  require(conv && conv->groups == 1 && conv->dilation.h == 1 && conv->dilation.w == 1 &&
              node->inputs[0] == graph.input(),
          ExitCode::config, "init.whiten",
          "found '{}', expected a convolution on the images, without groups or dilation", layer);
  return node->parameters[0];
}

Matrix moments_of(const Config& config, const Dataset& dataset, const Shape& patch) {
  const Pipeline pipeline = make_views(config).front();
  const Shape shape = output_shape(dataset, pipeline);
  require(shape[1] >= patch[1] && shape[2] >= patch[2], ExitCode::config, "init.whiten",
          "images of {} are smaller than patches of {}", shape.text(), patch.text());
  const auto of_image = static_cast<double>((shape[1] - patch[1] + 1) * (shape[2] - patch[2] + 1));
  const double products = of_image * static_cast<double>(patch.elements() * patch.elements()) / 2;
  const auto images = std::min(
      dataset.size(),
      static_cast<std::uint64_t>(std::clamp(most_products / products, fewest_images, most_images)));
  Loader loader(
      dataset, pipeline,
      {.end_slot = images,
       .bad_samples = for_evaluation(config.data.bad_samples),
       .most_bad_samples = config.data.max_bad_samples},
      [&](std::uint64_t slot, int) { return RowKey{.index = slot * dataset.size() / images}; });
  Matrix moments(static_cast<int>(patch.elements()));
  double patches = 0;
  for (std::uint64_t slot = 0; slot < images; ++slot) {
    const Batch batch = loader.acquire(slot);
    if (batch.labels[0] >= 0) {
      add_moments(batch.images, shape, patch, moments);
      patches += of_image;
    }
    loader.release(batch);
  }
  require(patches > 0, ExitCode::data, config.data.path,
          "none of {} images could be used to whiten patches", images);
  for (int i = 0; i < moments.size(); ++i) {
    for (int j = i; j < moments.size(); ++j) moments(j, i) = moments(i, j) /= patches;
  }
  return moments;
}

}  // namespace

void whiten(const std::string& layer, const Config& config, const Network& network,
            const Dataset& dataset, Parameters& parameters) {
  const int index = weights_of(layer, network.graph);
  const Shape& shape = network.graph.parameters()[index].shape;
  const Eigen eigen = eigen_of(moments_of(config, dataset, {shape[1], shape[2], shape[3]}));
  std::vector<int> order(eigen.values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater(), [&](int i) { return eigen.values[i]; });

  std::vector<float> weights(static_cast<std::size_t>(shape.elements()));
  parameters.read(index, parameters.arena(), weights);
  const auto taps = static_cast<std::int64_t>(order.size());
  for (std::int64_t pair = 0; pair < std::min(shape[0] / 2, taps); ++pair) {
    const int i = order[pair];
    const double scale = 1 / std::sqrt(std::max(eigen.values[i], 0.0) + smallest_eigenvalue);
    for (int k = 0; k < static_cast<int>(taps); ++k) {
      const auto weight = static_cast<float>(scale * eigen.vectors(k, i));
      weights[2 * pair * taps + k] = weight;
      weights[(2 * pair + 1) * taps + k] = -weight;
    }
  }
  parameters.write(index, parameters.arena(), weights);
}

}  // namespace convoy
