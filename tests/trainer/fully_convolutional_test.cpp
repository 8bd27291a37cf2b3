// Fully convolutional networks: their map of scores is what a window slid over the image gives.
#include "trainer/models/fully_convolutional.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "ops/backend.h"
#include "ops/core/random.h"
#include "tests/trainer/temporary_folder.h"
#include "trainer/initialise.h"
#include "trainer/models/models.h"
#include "trainer/weights.h"

namespace convoy {
namespace {

constexpr int window = 22, classes = 3;

// Without padding; of all strides together 4.
Graph flattening_net(Shape images) {
  Graph g(images);
  Value x = conv2d(g, "conv1", g.input(), {.out_channels = 8, .stride = 2});
  x = relu(g, "relu1", batch_norm(g, "bn1", x));
  x = pool2d(g, "pool", x, {.kernel = 2, .stride = 2});
  x = conv2d(g, "conv2", x, {.out_channels = 8, .kernel = 2, .bias = true});
  x = linear(g, "fc1", flatten(g, "flatten", x), {.out_features = 16});
  x = linear(g, "fc2", relu(g, "relu2", x), {.out_features = classes, .bias = false});
  softmax_loss(g, "loss", x);
  return g;
}

Graph pooling_net(Shape images) {
  Graph g(images);
  Value x = conv2d(g, "conv1", g.input(), {.out_channels = 8, .kernel = 4, .stride = 2});
  x = conv2d(g, "conv2", activation(g, "tanh", x, ActivationKind::tanh),
             {.out_channels = 8, .kernel = 4, .stride = 2});
  x = flatten(g, "flatten", global_pool(g, "avgpool", x));
  softmax_loss(g, "loss", linear(g, "fc", x, {.out_features = classes}));
  return g;
}

// A network that is ready to run.
struct Net {
  Net(const Graph& network, const std::string& backend_name, const Safetensors* weights)
      : backend(make_backend(backend_name)),
        graph(network),
        plan(graph, *backend, {.mode = Mode::inference}),
        parameters(plan) {
    for (std::size_t i = 0; i < graph.parameters().size(); ++i) {
      const auto index = static_cast<int>(i);
      parameters.write(index, parameters.arena(), first_values(graph, index, 1));
    }
    if (weights) import_parameters(*weights, parameters);
    prepared.emplace(plan, parameters);
    prepared->refresh();
    executor.emplace(plan, parameters, *prepared);
  }
  std::vector<float> scores(const Arena& images) {
    executor->forward({.images = images.as<float>().data(), .labels = labels.data()});
    return {executor->logits().begin(), executor->logits().end()};
  }

  std::unique_ptr<Backend> backend;
  Graph graph;
  Plan plan;
  Parameters parameters;
  std::optional<PreparedWeights> prepared;
  std::optional<Executor> executor;
  std::vector<std::int32_t> labels = std::vector<std::int32_t>(16, 0);
};

Arena noise(Shape images) {
  Arena arena(images.elements() * sizeof(float));
  Random random(1, RandomUse::test, 0);
  for (float& pixel : arena.as<float>()) pixel = random.normal();
  return arena;
}

// The windows of one image of `side` pixels, in steps of `stride`.
Arena windows_of(const Arena& image, int channels, int side, int steps, int stride) {
  Arena crops(std::size_t(steps) * steps * channels * window * window * sizeof(float));
  auto out = crops.as<float>().begin();
  for (int i = 0; i < steps; ++i) {
    for (int j = 0; j < steps; ++j) {
      for (int c = 0; c < channels; ++c) {
        for (int y = 0; y < window; ++y) {
          const auto row = image.as<float>().begin() +
                           (std::ptrdiff_t(c) * side + i * stride + y) * side + j * stride;
          out = std::copy_n(row, window, out);
        }
      }
    }
  }
  return crops;
}

class FullyConvolutional : public testing::TestWithParam<const char*> {
 protected:
  // The weights of a network, as a file.
  Safetensors saved(const Net& net) {
    TensorMap tensors;
    export_parameters(net.parameters, 0, tensors);
    std::vector<TensorView> views;
    for (const auto& [name, tensor] : tensors) {
      views.push_back({name, tensor.dtype, tensor.shape, tensor.bytes});
    }
    std::filesystem::remove(folder_.path() / "weights");
    write_safetensors(folder_.path() / "weights", views, {});
    return Safetensors(folder_.path() / "weights");
  }

  void expect_map_of_windows(Graph (*build)(Shape)) {
    constexpr int side = 34, stride = 4, steps = 4, channels = 3;
    Net small(build({steps * steps, channels, window, window}), GetParam(), nullptr);
    const Safetensors weights = saved(small);
    const Arena image = noise({1, channels, side, side});
    const std::vector<float> expected =
        small.scores(windows_of(image, channels, side, steps, stride));

    const Shape large{1, channels, side, side};
    Net map_net(fully_convolutional(small.graph, large, Scores::map), GetParam(), &weights);
    const std::vector<float> map = map_net.scores(image);
    ASSERT_EQ(map.size(), expected.size());
    std::vector<double> mean(classes);
    for (int c = 0; c < classes; ++c) {
      for (int at = 0; at < steps * steps; ++at) {
        EXPECT_NEAR(map[c * steps * steps + at], expected[at * classes + c], 1e-5)
            << "class " << c << ", window " << at / steps << ", " << at % steps;
        mean[c] += double{expected[at * classes + c]} / (steps * steps);
      }
    }
    Net mean_net(fully_convolutional(small.graph, large, Scores::mean), GetParam(), &weights);
    const std::vector<float> scores = mean_net.scores(image);
    ASSERT_EQ(scores.size(), classes);
    for (int c = 0; c < classes; ++c) EXPECT_NEAR(scores[c], mean[c], 1e-5) << "class " << c;
  }

 private:
  TemporaryFolder folder_;
};

TEST_P(FullyConvolutional, LinearLayersSlideOverTheImage) {
  expect_map_of_windows(flattening_net);
}

TEST_P(FullyConvolutional, GlobalAveragesSlideOverTheImage) {
  expect_map_of_windows(pooling_net);
}

TEST_P(FullyConvolutional, ImagesOfTheWindowsSizeGiveTheSameScores) {
  const Shape images{2, 1, 28, 28};
  Net plain(build_model({.name = "lenet5", .classes = 10}, images), GetParam(), nullptr);
  const Safetensors weights = saved(plain);
  Net slid(build_model({.name = "lenet5", .classes = 10, .window = 28}, images), GetParam(),
           &weights);
  const Arena pixels = noise(images);
  const std::vector<float> expected = plain.scores(pixels), found = slid.scores(pixels);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-5);
}

// A network with dropout, concatenation, an auxiliary head, and adaptive pooling of equal sizes.
TEST_P(FullyConvolutional, TakesEveryLayerOfTheNetworks) {
  for (const char* name : {"vgg11", "googlenet", "squeezenet1_1", "alexnet"}) {
    SCOPED_TRACE(name);
    const int side = std::string_view(name) == "googlenet" ? 64 : 224;
    ModelConfig settings{.name = name, .classes = 10, .width = 0.1, .auxiliary_heads = false};
    const Shape images{1, 3, side, side};
    Net plain(build_model(settings, images), GetParam(), nullptr);
    const Safetensors weights = saved(plain);
    settings.window = side;
    Net slid(build_model(settings, images), GetParam(), &weights);
    const Arena pixels = noise(images);
    const std::vector<float> expected = plain.scores(pixels), found = slid.scores(pixels);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-4);

    const Shape larger{1, 3, side + 64, side + 32};
    const Graph map = fully_convolutional(plain.graph, larger, Scores::map);
    const int stride = settings.name == "squeezenet1_1" ? 16 : 32;
    EXPECT_EQ(map.shape(map.logits()), (Shape{1, 10 * (64 / stride + 1) * (32 / stride + 1)}));
  }
}

TEST(FullyConvolutionalErrors, PartsOfMapsDoNotSlide) {
  try {
    build_model({.name = "alexnet", .classes = 10, .window = 128}, {1, 3, 256, 256});
    ADD_FAILURE() << "built";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::config);
    EXPECT_STREQ(error.what(),
                 "avgpool: averages maps of 3x3 to 6x6, expected equal sizes: no window slides "
                 "over parts");
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, FullyConvolutional, testing::Values("reference", "onednn"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace convoy
