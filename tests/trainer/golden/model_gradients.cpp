// Writes one training step of a model, for compare_models.py to repeat in PyTorch:
//
//   model_gradients OUT.safetensors BACKEND SEED SIDE BATCH [KEY=VALUE ...]
//
// BACKEND is reference, onednn, or onednn_direct: without Winograd's algorithm, whose rounding is
// several times that of a direct convolution. KEY=VALUE are settings of the model
// ("model.name=resnet18"). Tensors, row-major:
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

// A parameter's first values. Batch norms get scales that tell channels apart, and shifts so large
// that most channels' values lie all above or all below zero: few are left near the kink of a ReLU,
// where rounding alone would decide whether a gradient passes.
std::vector<float> values_of(const Graph& graph, int index, std::uint64_t seed) {
  std::vector<float> values = first_values(graph, index, seed);
  const ParameterRole role = graph.parameters()[index].role;
  Random random(seed, RandomUse::test, static_cast<std::uint64_t>(index));
  for (float& value : values) {
    if (role == ParameterRole::scale) value = random.uniform(0.8f, 1.2f);
    if (role == ParameterRole::shift) {
      value = random.uniform(2, 3) * (random.uniform() < 0.5f ? -1.0f : 1.0f);
    }
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
          "expected OUT BACKEND SEED SIDE BATCH [KEY=VALUE ...]");
  const std::uint64_t seed = std::stoull(arguments[2]);
  const int side = std::stoi(arguments[3]), batch = std::stoi(arguments[4]);
  std::vector<std::string> settings(arguments.begin() + 5, arguments.end());
  const Config config =
      parse_config("{data: {path: none}, model: {classes: 1000}}", "model_gradients", settings);

  const bool direct = arguments[1] == "onednn_direct";
  const auto backend =
      make_backend(direct ? "onednn" : arguments[1],
                   {.winograd = direct ? Winograd::never : Winograd::where_faster});
  const Shape images{batch, 3, side, side};
  const Graph graph = build_model(config.model, images);
  const Plan plan(graph, *backend);
  Parameters parameters(plan);
  for (std::size_t i = 0; i < graph.parameters().size(); ++i) {
    const auto index = static_cast<int>(i);
    parameters.write(index, parameters.arena(), values_of(graph, index, seed));
  }
  PreparedWeights prepared(plan, parameters);
  prepared.refresh();
  Executor executor(plan, parameters, prepared);

  Arena pixels(images.elements() * sizeof(float), "images");
  Random random(seed, RandomUse::test, graph.parameters().size());
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
  export_arena(parameters, parameters.arena(), "initial.", Holds::all, tensors);
  Arena gradients(plan.parameter_floats() * sizeof(float), "gradients");
  executor.forward({.images = pixels.as<float>().data(), .labels = labels.data()},
                   gradients.as<float>().data());
  keep("logits", plan.logits(), executor.logits());
  keep("losses", {batch}, executor.losses());
  executor.backward(1.0f / static_cast<float>(batch), gradients.as<float>().data(),
                    [](std::size_t) {});
  export_arena(parameters, gradients.as<float>(), "gradient.", Holds::all, tensors);
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
