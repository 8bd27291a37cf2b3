// A small net with everything that a plan has to route: forks, a sum, a fused and a lone batch
// norm, a concatenation, a reorder, an auxiliary loss, random draws; and one step of it on any
// backend.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "ops/core/random.h"
#include "ops/executor.h"

namespace convoy::test {

inline constexpr int rows = 4;
inline constexpr int classes = 5;

inline Graph small_net() {
  Graph g({rows, 3, 9, 9});
  Value x = conv2d(g, "conv1", g.input(), {.out_channels = 20, .pad = 1});
  x = relu(g, "relu1", batch_norm(g, "bn1", x));
  Value y = conv2d(g, "conv2", x, {.out_channels = 20, .pad = 1});
  y = batch_norm(g, "bn2", y);
  x = relu(g, "relu2", add(g, "add", y, x));
  Value z = pool2d(g, "pool", x, {.kernel = 3, .stride = 2, .pad = 1});
  z = batch_norm(g, "bn3", z);
  z = concat(g, "concat",
             {z, lrn(g, "lrn", z, {.alpha = 0.5f}),
              pool2d(g, "same", z, {.stride = 1, .pad = {0, 0, 1, 1}})});
  z = activation(g, "tanh", conv2d(g, "conv3", z, {.out_channels = 7, .kernel = 2, .bias = true}),
                 ActivationKind::tanh);
  z = relu(g, "relu4", conv2d(g, "conv4", z, {.out_channels = 9, .pad = 1, .bias = true}));
  const Value w = relu(g, "relu5", conv2d(g, "conv5", z, {.out_channels = 9, .kernel = 1}));
  z = add(g, "add6", conv2d(g, "conv6", w, {.out_channels = 9, .pad = 1}), z);
  z = flatten(g, "flatten", z);
  softmax_loss(g, "auxiliary", linear(g, "auxiliary fc", z, {.out_features = classes}),
               {.weight = 0.3f});
  z = dropout(g, "dropout", z, 0.4f);
  z = relu(g, "relu7", linear(g, "fc7", z, {.out_features = 11}));
  softmax_loss(g, "loss", linear(g, "fc", z, {.out_features = classes}));
  return g;
}

// What a step of a plan makes, row-major.
struct StepResult {
  std::vector<float> losses;
  std::vector<std::vector<float>> gradients;  // by parameter; of frozen ones empty
  std::vector<std::size_t> ready;
};

class Trial {
 public:
  explicit Trial(const std::string& backend, const PlanOptions& options = {},
                 Graph graph = small_net())
      : backend_(make_backend(backend)),
        graph_(std::move(graph)),
        plan_(graph_, *backend_, options),
        parameters_(plan_),
        prepared_(fill(), parameters_),
        executor_(plan_, parameters_, prepared_),
        images_(plan_.images().elements() * sizeof(float)),
        gradients_(plan_.gradient_floats() * sizeof(float)) {
    prepared_.refresh();
    Random random(7, RandomUse::test, 99);
    for (float& pixel : images_.as<float>()) pixel = random.normal();
  }

  Plan& plan() { return plan_; }
  Backend& backend() { return *backend_; }
  Graph& graph() { return graph_; }
  Parameters& parameters() { return parameters_; }
  const float* images() const { return images_.as<float>().data(); }
  void set_pixel(std::size_t i, float value) { images_.as<float>()[i] = value; }
  const std::int32_t* labels() const { return labels_; }

  void run(std::vector<std::size_t>* ready = nullptr) {
    executor_.forward({.images = images(), .labels = labels_}, gradients_.as<float>().data());
    executor_.backward(1.0f / rows, gradients_.as<float>().data(), [&](std::size_t end) {
      if (ready) ready->push_back(end);
    });
  }

  StepResult step() {
    StepResult result;
    run(&result.ready);
    result.losses.assign(executor_.losses().begin(), executor_.losses().end());
    for (std::size_t i = 0; i < plan_.parameters().size(); ++i) {
      std::vector<float>& logical = result.gradients.emplace_back();
      if (plan_.parameters()[i].frozen) continue;
      logical.resize(plan_.parameters()[i].desc.shape.elements());
      parameters_.read(static_cast<int>(i), gradients_.as<float>(), logical);
    }
    return result;
  }

 private:
  // Weights that do not depend on how a backend stores them.
  const Plan& fill() {
    for (std::size_t i = 0; i < plan_.parameters().size(); ++i) {
      const PlacedParameter& parameter = plan_.parameters()[i];
      Random random(7, RandomUse::test, i);
      std::vector<float> logical(parameter.desc.shape.elements());
      for (float& value : logical) value = 0.3f * random.normal();
      if (parameter.role == ParameterRole::scale)
        std::ranges::for_each(logical, [](float& v) { v += 1; });
      if (parameter.role == ParameterRole::running_variance) std::ranges::fill(logical, 1.5f);
      parameters_.write(static_cast<int>(i), parameters_.arena(), logical);
    }
    return plan_;
  }

  std::unique_ptr<Backend> backend_;
  Graph graph_;
  Plan plan_;
  Parameters parameters_;
  PreparedWeights prepared_;
  Executor executor_;
  Arena images_;
  Arena gradients_;
  std::int32_t labels_[rows] = {0, 4, 2, -1};
};

inline double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    size += double{b[i]} * b[i];
  }
  return std::sqrt(difference / std::max(size, 1e-12));
}

// But for what frozen layers have no gradients for.
inline void expect_equal(const StepResult& found, const StepResult& expected) {
  EXPECT_LT(relative_error(found.losses, expected.losses), 1e-5);
  for (std::size_t i = 0; i < found.gradients.size(); ++i) {
    if (found.gradients[i].empty()) continue;
    EXPECT_LT(relative_error(found.gradients[i], expected.gradients[i]), 2e-5) << i;
  }
}

}  // namespace convoy::test
