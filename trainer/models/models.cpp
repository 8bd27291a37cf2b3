#include "trainer/models/models.h"

#include <vector>

#include "ops/core/check.h"
#include "trainer/nearest.h"

namespace convoy {

Graph build_model(const ModelConfig& settings, Shape images) {
  std::vector<std::string> names;
  for (const Model& model : models) {
    if (model.name == settings.name) {
      Graph graph(images);
      model.build(graph, settings);
      return graph;
    }
    names.emplace_back(model.name);
  }
  fail(ExitCode::config, "model.name", "there is no model '{}'; {}", settings.name,
       nearest_of(settings.name, names));
}

}  // namespace convoy
