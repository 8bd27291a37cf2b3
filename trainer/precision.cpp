#include "trainer/precision.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "ops/core/arena.h"
#include "ops/core/log.h"
#include "ops/executor.h"
#include "trainer/models/models.h"
#include "trainer/setup.h"

namespace convoy {
namespace {

constexpr double clearly = 1.1;  // times as fast
constexpr int rounds = 4;        // of which the fastest counts
constexpr const char* subject = "conv";

// A convolution in a network of its own: behind another one, so that its source comes in the layout
// that it has in a deep network and all its passes run.
Graph alone(const Conv& conv, const Shape& src) {
  Graph g({src[0], 3, src[2], src[3]});
  const Conv before{.out_channels = static_cast<int>(src[1]), .pad = 1};
  const Value x = conv2d(g, subject, conv2d(g, "before", g.input(), before), conv);
  softmax_loss(g, "loss", flatten(g, "flatten", global_pool(g, "pool", x)));
  return g;
}

class Timing {
 public:
  Timing(const Graph& graph, Backend& backend)
      : images_shape_(graph.shape(graph.input())), plan_(graph, backend) {
    const auto found = std::ranges::find(plan_.steps(), subject, &PlanStep::name);
    step_ = static_cast<std::size_t>(found - plan_.steps().begin());
  }

  const std::string& algorithm() const { return plan_.steps()[step_].spec.algorithm; }

  // Seconds of all passes of the subject.
  double run() {
    if (!executor_) allocate();
    StepSeconds seconds;
    executor_->time_steps(&seconds);
    float* const gradients = gradients_.as<float>().data();
    executor_->forward({.images = images_.as<float>().data(), .labels = labels_.data()}, gradients);
    executor_->backward(1, gradients, [](std::size_t) {});
    executor_->time_steps(nullptr);
    return seconds.forward[step_] + seconds.backward[step_];
  }

 private:
  void allocate() {
    parameters_.emplace(plan_);
    std::ranges::fill(parameters_->arena(), 0.01f);
    prepared_.emplace(plan_, *parameters_);
    prepared_->refresh();
    executor_.emplace(plan_, *parameters_, *prepared_);
    gradients_ = Arena(plan_.gradient_floats() * sizeof(float), "gradients");
    images_ = Arena(static_cast<std::size_t>(images_shape_.elements()) * sizeof(float), "images");
    std::ranges::fill(images_.as<float>(), 1.0f);
    labels_.resize(static_cast<std::size_t>(images_shape_[0]));
  }

  Shape images_shape_;
  Plan plan_;
  std::size_t step_;
  std::optional<Parameters> parameters_;
  std::optional<PreparedWeights> prepared_;
  std::optional<Executor> executor_;
  Arena gradients_, images_;
  std::vector<std::int32_t> labels_;
};

Precision faster_of(const std::string& name, Timing& fp32, Timing& bf16) {
  double in_fp32 = std::numeric_limits<double>::infinity(), in_bf16 = in_fp32;
  for (int round = 0; round < rounds; ++round) {
    in_fp32 = std::min(in_fp32, fp32.run());
    in_bf16 = std::min(in_bf16, bf16.run());
  }
  const bool faster = in_fp32 > clearly * in_bf16;
  log_info("precision: {}, {} takes {:.1f} ms in fp32 and {:.1f} ms in bf16",
           faster ? "bf16" : "fp32", name, 1e3 * in_fp32, 1e3 * in_bf16);
  return faster ? Precision::bf16 : Precision::fp32;
}

// The convolutions of the graph, the largest first.
std::vector<const Node*> by_work(const Graph& graph) {
  std::vector<const Node*> convs;
  for (const Node& node : graph.nodes()) {
    if (std::holds_alternative<Conv>(node.op)) convs.push_back(&node);
  }
  std::ranges::stable_sort(convs, std::greater(), [&](const Node* node) {
    return multiply_adds(std::get<Conv>(node->op), graph.input_shapes(*node));
  });
  return convs;
}

std::unique_ptr<Backend> backend_in(Precision precision, Config config) {
  config.precision = precision;
  return make_backend(config);
}

}  // namespace

Precision measure_precision(const Config& config, const Shape& images) {
  if (config.backend != "onednn" || !onednn_can_multiply_in(Precision::bf16)) {
    log_info("precision: fp32, nothing here multiplies bf16");
    return Precision::fp32;
  }
  const auto fp32 = backend_in(Precision::fp32, config);
  const auto bf16 = backend_in(Precision::bf16, config);
  const Graph model = build_model(config.model, images);
  for (const Node* node : by_work(model)) {
    const Graph graph = alone(std::get<Conv>(node->op), model.input_shapes(*node)[0]);
    Timing in_fp32(graph, *fp32), in_bf16(graph, *bf16);
    // Winograd's algorithm knows no bf16, and some convolutions are too narrow.
    if (in_fp32.algorithm() == in_bf16.algorithm()) continue;
    return faster_of(node->name, in_fp32, in_bf16);
  }
  log_info("precision: fp32, no convolution of this model would gain by bf16");
  return Precision::fp32;
}

}  // namespace convoy
