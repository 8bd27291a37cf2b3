// ResNets: He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2015), table 1, for
// images of 224x224; with the stride of a bottleneck on its 3x3 convolution, as torchvision has it
// ("v1.5"). plain18 and plain34 are the same nets without shortcuts. resnet18_cifar is ResNet-18 on
// small images: a 3x3 convolution without stride or pooling in the place of the first layers.
#include <array>

#include "ops/core/check.h"
#include "trainer/models/layers.h"
#include "trainer/models/models.h"

namespace convoy {
namespace {

// Blocks of each of the four groups.
std::array<int, 4> blocks_of(int depth) {
  switch (depth) {
    case 18:
      return {2, 2, 2, 2};
    case 34:
    case 50:
      return {3, 4, 6, 3};
    case 101:
      return {3, 4, 23, 3};
    case 152:
      return {3, 8, 36, 3};
    default:
      fail(ExitCode::internal, "resnet", "depth {}, expected 18, 34, 50, 101 or 152", depth);
  }
}

Value imagenet_stem(Graph& g, const ModelConfig& s) {
  Value x = conv2d(g, "conv1", g.input(),
                   {.out_channels = scaled(s, 64), .kernel = 7, .stride = 2, .pad = 3});
  x = relu(g, "relu", norm(g, s, "bn1", x));
  return pool2d(g, "maxpool", x, {.kernel = 3, .stride = 2, .pad = 1});
}

Value small_stem(Graph& g, const ModelConfig& s) {
  const Value x = conv2d(g, "conv1", g.input(), {.out_channels = scaled(s, 64), .pad = 1});
  return relu(g, "relu", norm(g, s, "bn1", x));
}

void groups_and_head(Graph& g, const ModelConfig& s, Value x, int depth, bool shortcuts) {
  const std::array<int, 4> blocks = blocks_of(depth);
  for (int group = 0; group < 4; ++group) {
    const int channels = scaled(s, 64 << group);
    for (int i = 0; i < blocks[group]; ++i) {
      const std::string name = "layer" + std::to_string(group + 1) + "." + std::to_string(i);
      const int stride = group > 0 && i == 0 ? 2 : 1;
      x = depth < 50 ? basic_block(g, s, name, x, {channels, stride, shortcuts})
                     : bottleneck(g, s, name, x, {channels, stride});
    }
  }
  end_with_loss(g, s, pooled_scores(g, s, "fc", x));
}

}  // namespace

void resnet(Graph& g, const ModelConfig& settings, int depth) {
  groups_and_head(g, settings, imagenet_stem(g, settings), depth, true);
}

void plain_net(Graph& g, const ModelConfig& settings, int depth) {
  groups_and_head(g, settings, imagenet_stem(g, settings), depth, false);
}

void resnet18_cifar(Graph& g, const ModelConfig& settings) {
  groups_and_head(g, settings, small_stem(g, settings), 18, true);
}

}  // namespace convoy
