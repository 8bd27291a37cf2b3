// Models: exact parameter counts, names, and first weights.
#include "trainer/models/models.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "trainer/initialise.h"

namespace convoy {
namespace {

std::int64_t trainable(const Graph& graph) {
  std::int64_t count = 0;
  for (const Parameter& parameter : graph.parameters()) {
    if (!is_statistic(parameter.role)) count += parameter.shape.elements();
  }
  return count;
}

int index_of(const Graph& graph, std::string_view name) {
  const auto found = std::ranges::find(graph.parameters(), name, &Parameter::name);
  return found == graph.parameters().end() ? -1
                                           : static_cast<int>(found - graph.parameters().begin());
}

struct Expected {
  std::string name;
  Shape images;
  int classes;
  std::int64_t parameters;
};

// The CIFAR ResNets: 432 + 32 + n * 4,672 + ... of section 4.2 of the paper, with projections in
// two shortcuts (2,752 parameters more than the published 269,722 of ResNet-20).
const Expected table[] = {
    {"lenet5", {8, 1, 28, 28}, 10, 61706},    {"lenet5", {8, 3, 32, 32}, 10, 83126},
    {"resnet8", {4, 3, 32, 32}, 10, 78042},   {"resnet20", {4, 3, 32, 32}, 10, 272474},
    {"resnet32", {4, 3, 32, 32}, 10, 466906}, {"resnet44", {4, 3, 32, 32}, 10, 661338},
    {"resnet56", {4, 3, 32, 32}, 10, 855770}, {"resnet110", {4, 3, 32, 32}, 100, 1736564},
};

TEST(Models, HaveExactlyTheseParameters) {
  for (const Expected& expected : table) {
    const Graph graph =
        build_model({.name = expected.name, .classes = expected.classes}, expected.images);
    EXPECT_EQ(trainable(graph), expected.parameters) << expected.name;
    EXPECT_EQ(graph.shape(graph.logits()), (Shape{expected.images[0], expected.classes}));
  }
}

TEST(Models, EveryModelOfTheListIsInTheTable) {
  for (const Model& model : models) {
    EXPECT_NE(std::ranges::find(table, model.name, &Expected::name), std::end(table)) << model.name;
  }
}

TEST(Models, CarryTheNamesOfPyTorchCode) {
  const Graph graph = build_model({.name = "resnet20", .classes = 10}, {2, 3, 32, 32});
  for (const char* name : {"conv1.weight", "bn1.weight", "bn1.running_var", "layer1.0.conv1.weight",
                           "layer1.2.bn2.bias", "layer2.0.downsample.0.weight",
                           "layer3.0.downsample.1.running_mean", "fc.weight", "fc.bias"}) {
    EXPECT_GE(index_of(graph, name), 0) << name;
  }
  EXPECT_EQ(index_of(graph, "layer1.0.downsample.0.weight"), -1);
  EXPECT_EQ(index_of(graph, "conv1.bias"), -1);
}

TEST(Models, RefuseUnknownNamesAndImagesThatAreTooSmall) {
  EXPECT_THROW(build_model({.name = "lenet6", .classes = 10}, {1, 1, 28, 28}), Error);
  EXPECT_THROW(build_model({.name = "lenet5", .classes = 10}, {1, 1, 4, 4}), Error);
}

TEST(Initialise, HasTheDeviationsThatItPromises) {
  const Graph graph = build_model({.name = "resnet20", .classes = 10}, {2, 3, 32, 32});
  const std::vector<float> conv = first_values(graph, index_of(graph, "layer3.1.conv1.weight"), 1);
  double sum = 0, squares = 0;
  for (const float value : conv) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const auto n = static_cast<double>(conv.size());
  EXPECT_NEAR(squares / n, 2.0 / (64 * 9), 0.02 * 2.0 / (64 * 9));
  EXPECT_NEAR(sum / n, 0, 5 * std::sqrt(2.0 / (64 * 9) / n));

  const float bound = 1.0f / 8;  // 64 inputs
  for (const char* name : {"fc.weight", "fc.bias"}) {
    const std::vector<float> values = first_values(graph, index_of(graph, name), 1);
    for (const float value : values) EXPECT_LE(std::abs(value), bound);
    EXPECT_GT(*std::ranges::max_element(values), 0.5f * bound);
    EXPECT_LT(*std::ranges::min_element(values), -0.5f * bound);
  }
  EXPECT_EQ(first_values(graph, index_of(graph, "bn1.weight"), 1), std::vector<float>(16, 1.0f));
  EXPECT_EQ(first_values(graph, index_of(graph, "bn1.running_var"), 1),
            std::vector<float>(16, 1.0f));
  EXPECT_EQ(first_values(graph, index_of(graph, "bn1.bias"), 1), std::vector<float>(16, 0.0f));
}

TEST(Initialise, DependsOnSeedAndNameAlone) {
  const Graph small = build_model({.name = "resnet8", .classes = 10}, {2, 3, 32, 32});
  const Graph large = build_model({.name = "resnet20", .classes = 10}, {8, 3, 32, 32});
  const auto values = [](const Graph& graph, const char* name, std::uint64_t seed) {
    return first_values(graph, index_of(graph, name), seed);
  };
  EXPECT_EQ(values(small, "layer2.0.conv1.weight", 5), values(large, "layer2.0.conv1.weight", 5));
  EXPECT_NE(values(small, "layer2.0.conv1.weight", 5), values(small, "layer2.0.conv1.weight", 6));
  EXPECT_NE(values(large, "layer1.0.conv1.weight", 5), values(large, "layer1.0.conv2.weight", 5));
}

}  // namespace
}  // namespace convoy
