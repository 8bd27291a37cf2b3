// Models: exact parameter counts, names, and first weights.
#include "trainer/models/models.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>

#include "ops/core/checksum.h"
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

std::string refusal(const ModelConfig& settings, Shape images) {
  try {
    build_model(settings, images);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::config);
    return error.what();
  }
  return "built";
}

std::string digest_of(const std::vector<std::string>& lines) {
  Sha256 digest;
  for (const std::string& line : lines) digest.update(line + "\n");
  return digest.hex();
}

struct Expected {
  std::string name;
  Shape images;
  int classes;
  std::int64_t parameters;
  double mega;       // multiply-adds of one image, in millions
  double digit = 1;  // that of `mega` that is still right
};

// Networks that torchvision has not. Figures are those of the papers where these give them.
const Expected table[] = {
    {"lenet5", {8, 1, 28, 28}, 10, 61706, 0.416520, 1e-6},
    {"lenet5", {8, 3, 32, 32}, 10, 83126, 0.886440, 1e-6},
    // He et al. (2015), table 1: 1.8 and 3.6 billion. Without the 173,824
    // parameters of the three projections.
    {"plain18", {2, 3, 224, 224}, 1000, 11689512 - 173824, 1800, 100},
    {"plain34", {2, 3, 224, 224}, 1000, 21797672 - 173824, 3600, 100},
    // Caffe's reference model; the paper's "60 million parameters".
    {"alexnet_2012", {2, 3, 227, 227}, 1000, 60965224, 724.406816, 1e-6},
    {"zfnet", {2, 3, 224, 224}, 1000, 62357608, 1168, 1},
    {"nin", {2, 3, 224, 224}, 1000, 7595176, 1100, 100},
    {"nin_cifar", {2, 3, 32, 32}, 10, 966986, 222, 1},
    // Howard et al. (2017), table 8: 569 million and 4.2 million.
    {"mobilenet_v1", {2, 3, 224, 224}, 1000, 4231976, 569, 1},
    {"resnet9", {4, 3, 32, 32}, 10, 6573120, 379, 1},
    {"resnet18_cifar", {4, 3, 32, 32}, 10, 11173962, 560, 10},
    // The CIFAR ResNets: section 4.2 of the paper, with projections in two shortcuts (2,752
    // parameters more than the published 0.27 M of ResNet-20, ..., 1.7 M of ResNet-110).
    {"resnet8", {4, 3, 32, 32}, 10, 78042, 12.5, 0.1},
    {"resnet20", {4, 3, 32, 32}, 10, 272474, 40.8, 0.1},
    {"resnet32", {4, 3, 32, 32}, 10, 466906, 69.1, 0.1},
    {"resnet44", {4, 3, 32, 32}, 10, 661338, 97.4, 0.1},
    {"resnet56", {4, 3, 32, 32}, 10, 855770, 125.7, 0.1},
    {"resnet110", {4, 3, 32, 32}, 100, 1736564, 253.2, 0.1},
    {"plain20", {4, 3, 32, 32}, 10, 269722, 40.6, 0.1},
    {"plain32", {4, 3, 32, 32}, 10, 464154, 68.9, 0.1},
    {"plain44", {4, 3, 32, 32}, 10, 658586, 97.2, 0.1},
    {"plain56", {4, 3, 32, 32}, 10, 853018, 125.5, 0.1},
};

double mega_multiply_adds(const Graph& graph) {
  double sum = 0;
  for (const Node& node : graph.nodes()) sum += multiply_adds(node.op, graph.input_shapes(node));
  return sum / 1e6 / static_cast<double>(graph.shape(graph.input())[0]);
}

TEST(Models, HaveExactlyThesePublishedSizes) {
  for (const Expected& expected : table) {
    const Graph graph =
        build_model({.name = expected.name, .classes = expected.classes}, expected.images);
    EXPECT_EQ(trainable(graph), expected.parameters) << expected.name;
    EXPECT_NEAR(mega_multiply_adds(graph), expected.mega, 0.501 * expected.digit) << expected.name;
    EXPECT_EQ(graph.shape(graph.logits()), (Shape{expected.images[0], expected.classes}));
  }
}

// A network as torchvision has it: see golden/make_state_dicts.py.
struct Torchvision {
  std::string name;
  std::int64_t parameters = 0;
  double giga = 0;
  std::size_t tensors = 0;
  std::string digest;
  std::vector<std::string> state_dict;  // "conv1.weight 64x3x7x7"; for some
};

std::vector<Torchvision> torchvision_models() {
  std::vector<Torchvision> all;
  std::ifstream file(CONVOY_TORCHVISION_MODELS);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    if (line.starts_with("  ")) {
      all.back().state_dict.push_back(line.substr(2));
    } else {
      Torchvision& model = all.emplace_back();
      std::istringstream(line) >> model.name >> model.parameters >> model.giga >> model.tensors >>
          model.digest;
    }
  }
  return all;
}

std::vector<std::string> state_dict(const Graph& graph) {
  std::vector<std::string> lines;
  for (const Parameter& parameter : graph.parameters()) {
    lines.push_back(parameter.name + " " + parameter.shape.text());
  }
  std::ranges::sort(lines);
  return lines;
}

TEST(Models, AreThoseOfTorchvision) {
  const std::vector<Torchvision> all = torchvision_models();
  ASSERT_EQ(all.size(), 16u);
  for (const Torchvision& expected : all) {
    const Graph graph = build_model({.name = expected.name, .classes = 1000}, {2, 3, 224, 224});
    EXPECT_EQ(trainable(graph), expected.parameters) << expected.name;
    const std::vector<std::string> found = state_dict(graph);
    EXPECT_EQ(found.size(), expected.tensors) << expected.name;
    if (!expected.state_dict.empty()) {
      EXPECT_EQ(found, expected.state_dict) << expected.name;
    }
    EXPECT_EQ(digest_of(found), expected.digest) << expected.name;
    // For GoogLeNet without its auxiliary heads, as torchvision counts.
    const Graph plain = build_model(
        {.name = expected.name, .classes = 1000, .auxiliary_heads = false}, {2, 3, 224, 224});
    EXPECT_NEAR(mega_multiply_adds(plain) / 1000, expected.giga, 0.000501) << expected.name;
  }
}

// Of the tensors of Keras' MobileNet v1, width 0.25, under timm's names.
TEST(Models, MobileNetHasTimmsNames) {
  const Graph graph =
      build_model({.name = "mobilenet_v1", .classes = 1000, .width = 0.25}, {2, 3, 224, 224});
  const std::vector<std::string> found = state_dict(graph);
  EXPECT_EQ(found.size(), 137u);
  EXPECT_EQ(digest_of(found), "96c44ea70c277906ba606453c1183b3e542149375aa476a5e60e5845b5151e0f");
  EXPECT_GE(index_of(graph, "blocks.3.5.conv_dw.weight"), 0);
  // Howard et al. (2017), table 8.
  struct Row {
    double width;
    double mega_multiply_adds, mega_parameters, digit;
  };
  for (const Row& row : {Row{1, 569, 4.2, 0.1}, Row{0.75, 325, 2.6, 0.1}, Row{0.5, 149, 1.3, 0.1},
                         Row{0.25, 41, 0.5, 0.1}}) {
    const Graph scaled = build_model({.name = "mobilenet_v1", .classes = 1000, .width = row.width},
                                     {2, 3, 224, 224});
    EXPECT_NEAR(mega_multiply_adds(scaled), row.mega_multiply_adds, 0.51) << row.width;
    EXPECT_NEAR(static_cast<double>(trainable(scaled)) / 1e6, row.mega_parameters, 0.051)
        << row.width;
  }
}

TEST(Models, MobileNetPadsAsTensorFlowIfAsked) {
  const auto first = [](bool tf, int side) {
    const Graph graph =
        build_model({.name = "mobilenet_v1", .classes = 10, .tf_padding = tf}, {1, 3, side, side});
    return std::get<Conv>(graph.nodes()[0].op).pad;
  };
  EXPECT_EQ(first(false, 224), Padding(1));
  EXPECT_EQ(first(true, 224), Padding(0, 0, 1, 1));
  EXPECT_EQ(first(true, 225), Padding(1));
}

TEST(Models, GoogLeNetHasTwoAuxiliaryLossesUnlessToldOtherwise) {
  const auto weights = [](const ModelConfig& settings) {
    std::vector<float> found;
    const Graph graph = build_model(settings, {2, 3, 224, 224});
    for (const Node& node : graph.nodes()) {
      if (const auto* loss = std::get_if<SoftmaxLoss>(&node.op)) {
        EXPECT_EQ(loss->smoothing, 0.1f);
        found.push_back(loss->weight);
      }
    }
    return found;
  };
  ModelConfig settings{.name = "googlenet", .classes = 10, .label_smoothing = 0.1};
  EXPECT_EQ(weights(settings), (std::vector<float>{0.3f, 0.3f, 1}));
  settings.auxiliary_heads = false;
  EXPECT_EQ(weights(settings), std::vector<float>{1});
}

TEST(Models, TakeDropoutAndLossFromTheSettings) {
  const auto dropped = [](std::optional<double> probability) {
    std::vector<float> found;
    const Graph graph =
        build_model({.name = "alexnet", .classes = 10, .dropout = probability}, {2, 3, 64, 64});
    for (const Node& node : graph.nodes()) {
      if (const auto* layer = std::get_if<Dropout>(&node.op)) found.push_back(layer->probability);
    }
    return found;
  };
  EXPECT_EQ(dropped({}), (std::vector<float>{0.5f, 0.5f}));
  EXPECT_EQ(dropped(0.25), (std::vector<float>{0.25f, 0.25f}));
  EXPECT_EQ(dropped(0), std::vector<float>{});
  ModelConfig lenet{.name = "lenet5", .classes = 10, .loss = LossKind::squared_error};
  const Graph graph = build_model(lenet, {2, 1, 28, 28});
  EXPECT_TRUE(std::holds_alternative<SquaredError>(graph.nodes().back().op));
  lenet.label_smoothing = 0.1;
  EXPECT_EQ(refusal(lenet, {2, 1, 28, 28}),
            "model.label_smoothing: 0.1, but it belongs to the loss softmax, and model.loss is "
            "squared_error");
}

TEST(Models, EveryModelOfTheListIsInATable) {
  const std::vector<Torchvision> torchvision = torchvision_models();
  for (const Model& model : models) {
    EXPECT_TRUE(std::ranges::find(table, model.name, &Expected::name) != std::end(table) ||
                std::ranges::find(torchvision, model.name, &Torchvision::name) != torchvision.end())
        << model.name;
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
  EXPECT_EQ(refusal({.name = "lenet6", .classes = 10}, {1, 1, 28, 28}).substr(0, 41),
            "model.name: there is no model 'lenet6'; n");
  EXPECT_EQ(refusal({.name = "lenet5", .classes = 10}, {1, 1, 4, 4}),
            "conv2: a window of 5 does not fit an input of 2 padded to 2");
  EXPECT_EQ(refusal({.name = "resnet9", .classes = 10}, {1, 3, 24, 24}),
            "pool: a window of 4 does not fit an input of 3 padded to 3");
  EXPECT_EQ(refusal({.name = "alexnet", .classes = 10}, {1, 3, 32, 32}),
            "features.12: a window of 3 does not fit an input of 1 padded to 1");
  EXPECT_EQ(refusal({.name = "alexnet_2012", .classes = 10}, {1, 3, 32, 32}),
            "pool2: a window of 3 does not fit an input of 2 padded to 2");
  EXPECT_EQ(refusal({.name = "vgg16", .classes = 10}, {1, 3, 16, 224}),
            "features.30: a window of 2 does not fit an input of 1 padded to 1");
  EXPECT_EQ(refusal({.name = "resnet18", .classes = 10, .window = 224}, {1, 3, 200, 256}),
            "model.window: images of 200x256 are smaller than the window of 224x224");
}

TEST(Models, TakeImagesOfAnySizeAndChannelsThatFit) {
  for (const Model& model : models) {
    for (const Shape images : {Shape{2, 1, 320, 256}, Shape{2, 4, 227, 299}}) {
      const Graph graph = build_model({.name = std::string(model.name), .classes = 7}, images);
      EXPECT_EQ(graph.shape(graph.logits()), (Shape{2, 7})) << model.name;
      EXPECT_EQ(graph.parameters()[0].shape[1], images[1]) << model.name;
    }
  }
}

TEST(Models, ScaleTheirWidthInEights) {
  const auto outputs = [](double width, const char* name) {
    const Graph graph =
        build_model({.name = "resnet18", .classes = 10, .width = width}, {2, 3, 64, 64});
    return graph.parameters()[index_of(graph, name)].shape[0];
  };
  EXPECT_EQ(outputs(0.5, "conv1.weight"), 32);
  EXPECT_EQ(outputs(0.3, "conv1.weight"), 24);  // 19.2: 16 would be too few
  EXPECT_EQ(outputs(0.01, "conv1.weight"), 8);
  EXPECT_EQ(outputs(2, "layer4.1.conv2.weight"), 1024);
  EXPECT_EQ(outputs(0.5, "fc.weight"), 10);
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

double deviation(const std::vector<float>& values) {
  double squares = 0;
  for (const float value : values) squares += double{value} * value;
  return std::sqrt(squares / static_cast<double>(values.size()));
}

TEST(Initialise, DrawsEveryDistribution) {
  constexpr int in = 32, out = 64, area = 9;
  const auto drawn = [](Initial weights, const char* name) {
    Graph g({2, in, 8, 8});
    conv2d(g, "conv", g.input(),
           {.out_channels = out,
            .bias = true,
            .first_weights = weights,
            .first_biases = constant(0.5f)});
    return first_values(g, index_of(g, name), 3);
  };
  struct Case {
    Initial initial;
    double deviation;
    double bound;  // in deviations
  };
  const double uniform = std::sqrt(3.0);
  for (const auto& [initial, expected, bound] : {
           Case{normal(0.01f), 0.01, 6},
           // Of a normal distribution within two deviations.
           Case{truncated_normal(0.01f), 0.01 * 0.87963, 2 / 0.87963},
           Case{kaiming_normal(), std::sqrt(2.0 / (out * area)), 6},
           Case{kaiming_uniform(), std::sqrt(2.0 / (in * area)), uniform},
           Case{xavier_uniform(), std::sqrt(2.0 / ((in + out) * area)), uniform},
           Case{uniform_by_inputs(), std::sqrt(1.0 / (3 * in * area)), uniform},
           Case{uniform_by_outputs(), std::sqrt(1.0 / (3 * out * area)), uniform},
       }) {
    const std::vector<float> values = drawn(initial, "conv.weight");
    EXPECT_NEAR(deviation(values) / expected, 1, 0.02) << static_cast<int>(initial.kind);
    float largest = 0;
    for (const float value : values) largest = std::max(largest, std::abs(value));
    EXPECT_LE(largest, bound * expected * (1 + 1e-6)) << static_cast<int>(initial.kind);
    EXPECT_GT(largest, std::min(bound, 3.0) * expected * 0.98) << static_cast<int>(initial.kind);
  }
  EXPECT_EQ(drawn(normal(0.01f), "conv.bias"), std::vector<float>(out, 0.5f));
  EXPECT_EQ(drawn(kaiming_normal(), "conv.weight"), drawn({}, "conv.weight"));
}

TEST(Initialise, StartsResidualBlocksAtTheirShortcutsIfAsked) {
  const auto first_scale = [](bool zero, const char* model, const char* name) {
    const Graph graph =
        build_model({.name = model, .classes = 10, .zero_init_gamma = zero}, {2, 3, 64, 64});
    return first_values(graph, index_of(graph, name), 1)[0];
  };
  EXPECT_EQ(first_scale(true, "resnet18", "layer1.0.bn2.weight"), 0);
  EXPECT_EQ(first_scale(true, "resnet18", "layer1.0.bn1.weight"), 1);
  EXPECT_EQ(first_scale(true, "resnet18", "layer2.0.downsample.1.weight"), 1);
  EXPECT_EQ(first_scale(true, "resnet50", "layer1.0.bn3.weight"), 0);
  EXPECT_EQ(first_scale(true, "plain18", "layer1.0.bn2.weight"), 1);
  EXPECT_EQ(first_scale(false, "resnet50", "layer1.0.bn3.weight"), 1);
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
