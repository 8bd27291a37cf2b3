// Writes one training step of a model, for compare_models.py to repeat in PyTorch:
//
//   model_gradients OUT.safetensors BACKEND SIDE BATCH as_it_is|smooth [KEY=VALUE ...]
//
// BACKEND is reference, onednn, or onednn_direct: without Winograd's algorithm, whose rounding is
// several times that of a direct convolution. `smooth` puts tanh in the place of ReLU and averages
// in the place of maxima. KEY=VALUE are settings of the model ("model.name=resnet18"). Tensors,
// row-major:
//
//   images        F32 [BATCH, 3, SIDE, SIDE]   standard normal numbers
//   labels        I32 [BATCH]
//   initial.NAME  F32   weights as they begin; batch norms' scales and shifts are drawn too
//   logits        F32 [BATCH, classes]   in training mode
//   losses        F32 [BATCH]   of the main loss
//   gradient.NAME F32   of the mean loss, auxiliary ones included; of running statistics: what the
//                       batch measured
#include <algorithm>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "ops/backend.h"
#include "ops/core/random.h"
#include "trainer/initialise.h"
#include "trainer/models/models.h"
#include "trainer/weights.h"

namespace convoy {
namespace {

// The network with tanh for ReLU and averages for maxima.
Graph smoothed(const Graph& network) {
  Graph g(network.shape(network.input()));
  for (const Node& node : network.nodes()) {
    Op op = node.op;
    if (auto* activation = std::get_if<Activation>(&op)) activation->kind = ActivationKind::tanh;
    if (auto* pool = std::get_if<Pool>(&op)) pool->kind = PoolKind::average;
    g.add(node.name, op, node.inputs);
  }
  return g;
}

// A parameter's first values, and for batch norms some that tell channels apart.
std::vector<float> values_of(const Graph& graph, int index) {
  std::vector<float> values = first_values(graph, index, 1);
  const ParameterRole role = graph.parameters()[index].role;
  Random random(1, RandomUse::test, static_cast<std::uint64_t>(index));
  if (role == ParameterRole::scale) {
    for (float& value : values) value = random.uniform(0.8f, 1.2f);
  } else if (role == ParameterRole::shift) {
    for (float& value : values) value = random.uniform(-0.2f, 0.2f);
  }
  return values;
}

void write(const std::string& path, const TensorMap& tensors) {
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    views.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
  }
  write_safetensors(path, views, {});
}

void run(const std::vector<std::string>& arguments) {
  require(arguments.size() >= 5, ExitCode::usage, "model_gradients",
          "expected OUT BACKEND SIDE BATCH as_it_is|smooth [KEY=VALUE ...]");
  const int side = std::stoi(arguments[2]), batch = std::stoi(arguments[3]);
  std::vector<std::string> settings(arguments.begin() + 5, arguments.end());
  const Config config =
      parse_config("{data: {path: none}, model: {classes: 1000}}", "model_gradients", settings);

  const bool direct = arguments[1] == "onednn_direct";
  const auto backend = make_backend(direct ? "onednn" : arguments[1], 1,
                                    direct ? Winograd::never : Winograd::where_faster);
  const Shape images{batch, 3, side, side};
  Graph graph = build_model(config.model, images);
  if (arguments[4] == "smooth") graph = smoothed(graph);
  const Plan plan(graph, *backend);
  Parameters parameters(plan);
  for (std::size_t i = 0; i < graph.parameters().size(); ++i) {
    const auto index = static_cast<int>(i);
    parameters.write(index, parameters.arena(), values_of(graph, index));
  }
  PreparedWeights prepared(plan, parameters);
  prepared.refresh();
  Executor executor(plan, parameters, prepared);

  Arena pixels(images.elements() * sizeof(float), "images");
  Random random(2, RandomUse::test, 0);
  for (float& pixel : pixels.as<float>()) pixel = random.normal();
  std::vector<std::int32_t> labels;
  for (int i = 0; i < batch; ++i) {
    labels.push_back(static_cast<std::int32_t>(random.below(config.model.classes)));
  }

  TensorMap tensors;
  const auto keep = [&](const char* name, const Shape& shape, std::span<const float> values) {
    std::ranges::copy(values, put_floats(tensors, name, shape).begin());
  };
  keep("images", images, pixels.as<float>());
  std::ranges::copy(std::as_bytes(std::span(labels)),
                    put(tensors, "labels", DType::i32, {batch}).begin());
  export_arena(parameters, parameters.arena(), "initial.", true, tensors);
  Arena gradients(plan.parameter_floats() * sizeof(float), "gradients");
  executor.forward({.images = pixels.as<float>().data(), .labels = labels.data()},
                   gradients.as<float>().data());
  keep("logits", plan.logits(), executor.logits());
  keep("losses", {batch}, executor.losses());
  executor.backward(1.0f / static_cast<float>(batch), gradients.as<float>().data(),
                    [](std::size_t) {});
  export_arena(parameters, gradients.as<float>(), "gradient.", true, tensors);
  write(arguments[0], tensors);
}

}  // namespace
}  // namespace convoy

int main(int count, char** words) {
  try {
    convoy::run({words + 1, words + count});
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
