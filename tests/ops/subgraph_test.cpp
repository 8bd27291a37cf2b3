// Parts of a network: what leads to a layer, computed without the rest, and what follows it.
#include "ops/subgraph.h"

#include <gtest/gtest.h>

#include <functional>

#include "ops/core/check.h"
#include "tests/ops/small_net.h"
#include "tests/support/ranks.h"

namespace convoy {
namespace {

using namespace test;

// Inference with weights that are drawn by name.
class Net {
 public:
  explicit Net(const std::string& backend, Graph graph = small_net(), bool fuse = true,
               std::optional<Value> output = {})
      : backend_(make_backend(backend)),
        plan_(graph, *backend_, {.mode = Mode::inference, .fuse = fuse, .output = output}),
        parameters_(plan_),
        prepared_(plan_, parameters_),
        executor_(plan_, parameters_, prepared_) {
    for (std::size_t i = 0; i < plan_.parameters().size(); ++i) {
      const PlacedParameter& parameter = plan_.parameters()[i];
      Random random(7, RandomUse::test, std::hash<std::string>()(parameter.name));
      std::vector<float> logical(parameter.desc.shape.elements());
      for (float& value : logical) value = 0.3f * random.normal();
      if (parameter.role == ParameterRole::running_variance) std::ranges::fill(logical, 1.5f);
      parameters_.write(static_cast<int>(i), parameters_.arena(), logical);
    }
    prepared_.refresh();
  }

  const Plan& plan() const { return plan_; }
  std::vector<float> run(const std::vector<float>& images) {
    Arena aligned(images.size() * sizeof(float));
    std::ranges::copy(images, aligned.as<float>().begin());
    const std::vector<std::int32_t> labels(rows, 0);
    executor_.forward({.images = aligned.as<float>().data(), .labels = labels.data()});
    return {executor_.logits().begin(), executor_.logits().end()};
  }

 private:
  std::unique_ptr<Backend> backend_;
  Plan plan_;
  Parameters parameters_;
  PreparedWeights prepared_;
  Executor executor_;
};

std::vector<float> noise() {
  Random random(7, RandomUse::test, 99);
  std::vector<float> images(rows * 3 * 9 * 9);
  for (float& pixel : images) pixel = random.normal();
  return images;
}

std::vector<float> output_at(const std::string& backend, bool fuse, const std::string& layer) {
  const Graph graph = small_net();
  return Net(backend, graph, fuse, output_of(graph, layer)).run(noise());
}

TEST(PlanOutput, IsThatOfTheUnfusedReferenceAtEveryLayer) {
  const Graph graph = small_net();
  for (const std::string backend : {"reference", "onednn"}) {
    for (const bool fuse : {false, true}) {
      for (const Node& node : graph.nodes()) {
        if (is_loss(node.op)) continue;
        const std::vector<float> found = output_at(backend, fuse, node.name);
        ASSERT_EQ(found.size(), graph.shape(node.output).elements());
        EXPECT_LT(relative_error(found, output_at("reference", false, node.name)), 1e-5)
            << node.name << " of " << backend;
      }
    }
  }
}

TEST(PlanOutput, IsByDefaultTheLogits) {
  EXPECT_EQ(output_at("reference", false, "fc"), Net("reference", small_net(), false).run(noise()));
}

TEST(PlanOutput, LeavesOutWhatFollows) {
  const Graph graph = small_net();
  const Net net("onednn", graph, true, output_of(graph, "relu2"));
  EXPECT_EQ(net.plan().logits(), (Shape{rows, 20, 9, 9}));
  for (const PlanStep& step : net.plan().steps()) {
    EXPECT_TRUE(step.name.starts_with("conv1") || step.name.starts_with("conv2") ||
                step.name.starts_with("output"))
        << step.name;
  }
}

TEST(PartBehind, GoesOnWhereTheLayerEnds) {
  const std::vector<float> expected = Net("reference", small_net(), false).run(noise());
  for (const std::string layer : {"conv1", "relu1", "relu2", "pool", "bn3", "concat", "conv4",
                                  "relu4", "add6", "flatten", "dropout", "fc7", "relu7"}) {
    for (const std::string backend : {"reference", "onednn"}) {
      Net part(backend, part_behind(small_net(), layer));
      EXPECT_LT(relative_error(part.run(output_at("reference", false, layer)), expected), 1e-5)
          << layer;
    }
  }
}

// What the layer makes is there for several to read, a sum among them.
TEST(PartBehind, TrainsAsOnTheReference) {
  for (const std::string layer : {"relu1", "pool", "relu4", "dropout"}) {
    const auto part = [&] { return part_behind(small_net(), layer); };
    const StepResult expected = Trial("reference", {.fuse = false}, part()).step();
    for (const bool fuse : {false, true}) {
      for (const bool recompute : {false, true}) {
        SCOPED_TRACE(layer + (fuse ? ", fused" : "") + (recompute ? ", recomputed" : ""));
        expect_equal(Trial("onednn", {.fuse = fuse, .recompute = recompute}, part()).step(),
                     expected);
      }
    }
  }
}

TEST(PartBehind, KeepsNamesAndLeavesOutTheRest) {
  const Graph part = part_behind(small_net(), "dropout");
  EXPECT_EQ(part.shape(part.input()), (Shape{rows, 9 * 4 * 4, 1, 1}));
  std::vector<std::string> nodes, parameters;
  for (const Node& node : part.nodes()) nodes.push_back(node.name);
  for (const Parameter& parameter : part.parameters()) parameters.push_back(parameter.name);
  EXPECT_EQ(nodes, (std::vector<std::string>{"dropout.flatten", "fc7", "relu7", "fc", "loss"}));
  EXPECT_EQ(parameters,
            (std::vector<std::string>{"fc7.weight", "fc7.bias", "fc.weight", "fc.bias"}));
}

TEST(PartBehind, NeedsALayerThatAllPassesThrough) {
  const auto error_of = [](const std::string& layer) {
    return test::error_of(ExitCode::config, [&] { part_behind(small_net(), layer); });
  };
  EXPECT_EQ(error_of("bn2"),
            "bn2: is passed by: add reads what comes before it too, expected a layer that all that "
            "follows depends on");
  expect_holds(error_of("relu5"), {"add6 reads what comes before it too"});
  expect_holds(error_of("fc"), {"is followed by no parameters"});
  expect_holds(error_of("loss"), {"loss: is a loss"});
  expect_holds(error_of("conv9"), {"conv9: is no layer of this network"});
}

}  // namespace
}  // namespace convoy
