#include "trainer/models/models.h"

#include <string>
#include <vector>

#include "ops/core/check.h"
#include "trainer/models/fully_convolutional.h"
#include "trainer/nearest.h"

namespace convoy {
namespace {

const Model& model_named(const std::string& name) {
  std::vector<std::string> names;
  for (const Model& model : models) {
    if (model.name == name) return model;
    names.emplace_back(model.name);
  }
  fail(ExitCode::config, "model.name", "there is no model '{}'; {}", name, nearest_of(name, names));
}

}  // namespace

Graph build_model(const ModelConfig& settings, Shape images) {
  const Model& model = model_named(settings.name);
  const Shape seen =
      settings.window == 0 ? images : Shape{images[0], images[1], settings.window, settings.window};
  Graph graph(seen);
  model.build(graph, settings);
  return settings.window == 0 ? std::move(graph) : fully_convolutional(graph, images, Scores::mean);
}

}  // namespace convoy
