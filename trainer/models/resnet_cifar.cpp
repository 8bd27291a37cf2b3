// ResNets for small images: He, Zhang, Ren, Sun, "Deep residual learning for image recognition"
// (2015), section 4.2. 6n + 2 layers: a 3x3 convolution, three groups of n blocks with 16, 32 and
// 64 channels, global average pooling, a linear layer.
//
// Where a group changes the size, the shortcut is a strided 1x1 convolution with batch norm (the
// paper's option B); its small nets use option A, zero-padded subsampling, without parameters. So
// resnet20 has 272,474 parameters here for ten classes, of which 2,752 in the two shortcuts.
#include "trainer/models/models.h"

namespace convoy {
namespace {

Value block(Graph& g, const std::string& name, Value x, int channels, int stride) {
  Value y = conv2d(g, name + ".conv1", x, {.out_channels = channels, .stride = stride, .pad = 1});
  y = relu(g, name + ".relu1", batch_norm(g, name + ".bn1", y));
  y = conv2d(g, name + ".conv2", y, {.out_channels = channels, .pad = 1});
  y = batch_norm(g, name + ".bn2", y);
  if (stride != 1) {
    x = conv2d(g, name + ".downsample.0", x,
               {.out_channels = channels, .kernel = 1, .stride = stride});
    x = batch_norm(g, name + ".downsample.1", x);
  }
  return relu(g, name + ".relu2", add(g, name + ".add", y, x));
}

void resnet(Graph& g, int depth, int classes) {
  const int blocks = (depth - 2) / 6;
  Value x = conv2d(g, "conv1", g.input(), {.out_channels = 16, .pad = 1});
  x = relu(g, "relu", batch_norm(g, "bn1", x));
  for (int group = 0; group < 3; ++group) {
    for (int i = 0; i < blocks; ++i) {
      const std::string name = "layer" + std::to_string(group + 1) + "." + std::to_string(i);
      x = block(g, name, x, 16 << group, group > 0 && i == 0 ? 2 : 1);
    }
  }
  x = flatten(g, "flatten", global_pool(g, "avgpool", x));
  softmax_loss(g, "loss", linear(g, "fc", x, {.out_features = classes}));
}

}  // namespace

void resnet8(Graph& g, const ModelConfig& settings) {
  resnet(g, 8, settings.classes);
}
void resnet20(Graph& g, const ModelConfig& settings) {
  resnet(g, 20, settings.classes);
}
void resnet32(Graph& g, const ModelConfig& settings) {
  resnet(g, 32, settings.classes);
}
void resnet44(Graph& g, const ModelConfig& settings) {
  resnet(g, 44, settings.classes);
}
void resnet56(Graph& g, const ModelConfig& settings) {
  resnet(g, 56, settings.classes);
}
void resnet110(Graph& g, const ModelConfig& settings) {
  resnet(g, 110, settings.classes);
}

}  // namespace convoy
