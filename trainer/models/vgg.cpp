// VGG: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition"
// (2014), configurations A (11 layers), B (13), D (16) and E (19), with or without batch norm after
// each convolution.
#include <algorithm>
#include <array>

#include "ops/core/check.h"
#include "trainer/models/layers.h"
#include "trainer/models/models.h"

namespace convoy {
namespace {

// Convolutions of each of the five groups.
std::array<int, 5> convolutions_of(int depth) {
  switch (depth) {
    case 11:
      return {1, 1, 2, 2, 2};
    case 13:
      return {2, 2, 2, 2, 2};
    case 16:
      return {2, 2, 3, 3, 3};
    case 19:
      return {2, 2, 4, 4, 4};
    default:
      fail(ExitCode::internal, "vgg", "depth {}, expected 11, 13, 16 or 19", depth);
  }
}

Value features(Graph& g, const ModelConfig& s, int depth, bool norms) {
  int index = 0;
  const auto next = [&] { return "features." + std::to_string(index++); };
  Value x = g.input();
  const std::array<int, 5> convolutions = convolutions_of(depth);
  for (int group = 0; group < 5; ++group) {
    for (int i = 0; i < convolutions[group]; ++i) {
      x = conv2d(g, next(), x,
                 {.out_channels = scaled(s, std::min(512, 64 << group)),
                  .pad = 1,
                  .bias = true,
                  .first_biases = constant(0)});
      if (norms) x = norm(g, s, next(), x);
      x = relu(g, next(), x);
    }
    x = pool2d(g, next(), x, {.kernel = 2, .stride = 2});
  }
  return x;
}

void build(Graph& g, const ModelConfig& s, int depth, bool norms) {
  const auto dense = [&](const char* name, Value x, int outputs) {
    return linear(
        g, name, x,
        {.out_features = outputs, .first_weights = normal(0.01f), .first_biases = constant(0)});
  };
  Value x = features(g, s, depth, norms);
  x = adaptive_pool(g, "avgpool", x, {.height = 7, .width = 7});
  x = flatten(g, "flatten", x);
  x = relu(g, "classifier.1", dense("classifier.0", x, scaled(s, 4096)));
  x = drop_out(g, s, "classifier.2", x, 0.5f);
  x = relu(g, "classifier.4", dense("classifier.3", x, scaled(s, 4096)));
  x = drop_out(g, s, "classifier.5", x, 0.5f);
  end_with_loss(g, s, dense("classifier.6", x, s.classes));
}

}  // namespace

void vgg(Graph& g, const ModelConfig& settings, int depth) {
  build(g, settings, depth, false);
}

void vgg_bn(Graph& g, const ModelConfig& settings, int depth) {
  build(g, settings, depth, true);
}

}  // namespace convoy
