// Every configuration of the folder configs: it loads, and its network fits the images that its
// transforms make.
#include <gtest/gtest.h>

#include <filesystem>

#include "trainer/config.h"
#include "trainer/models/models.h"
#include "trainer/setup.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> configurations() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(CONVOY_CONFIGS)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  return files;
}

// Images of ImageNet's usual size where the configuration says how to cut them, else of CIFAR's.
Shape images_of(const Config& config, const std::vector<Transform>& transforms) {
  const bool large = !config.data.evaluate.empty();
  const Pipeline pipeline = make_pipeline(config.data, transforms);
  const Shape image = large ? pipeline.output_shape(375, 500) : pipeline.output_shape(32, 32);
  return {config.batch.global / config.batch.lanes, image[0], image[1], image[2]};
}

TEST(Configurations, LoadAndFitTheirImages) {
  const std::vector<fs::path> files = configurations();
  EXPECT_GE(files.size(), 13u);
  for (const fs::path& file : files) {
    SCOPED_TRACE(file.filename().string());
    Config config = load_config(file);
    EXPECT_EQ(config.name, file.stem().string());
    config.model.classes = 10;
    for (const auto* transforms : {&config.data.augment, &config.data.evaluate}) {
      const Shape images = images_of(config, *transforms);
      const Graph graph = build_model(config.model, images);
      EXPECT_EQ(graph.shape(graph.logits()), (Shape{images[0], 10}));
    }
  }
}

}  // namespace
}  // namespace convoy
