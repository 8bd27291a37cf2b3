// ResNets for small images: He, Zhang, Ren, Sun, "Deep residual learning for image recognition"
// (2015), section 4.2. 6n + 2 layers: a 3x3 convolution, three groups of n blocks with 16, 32 and
// 64 channels, global average pooling, a linear layer. The plain nets have no shortcuts.
//
// Where a group changes the size, the shortcut is a strided 1x1 convolution with batch norm (the
// paper's option B); its small nets use option A, zero-padded subsampling, without parameters. So
// resnet20 has 272,474 parameters here for ten classes, of which 2,752 in the two shortcuts.
#include "trainer/models/layers.h"
#include "trainer/models/models.h"

namespace convoy {
namespace {

void small_net(Graph& g, const ModelConfig& s, int depth, bool shortcuts) {
  const int blocks = (depth - 2) / 6;
  Value x = conv2d(g, "conv1", g.input(), {.out_channels = scaled(s, 16), .pad = 1});
  x = relu(g, "relu", norm(g, s, "bn1", x));
  for (int group = 0; group < 3; ++group) {
    for (int i = 0; i < blocks; ++i) {
      const std::string name = "layer" + std::to_string(group + 1) + "." + std::to_string(i);
      const int stride = group > 0 && i == 0 ? 2 : 1;
      x = basic_block(g, s, name, x, {scaled(s, 16 << group), stride, shortcuts});
    }
  }
  end_with_loss(g, s, pooled_scores(g, s, "fc", x));
}

}  // namespace

void resnet_cifar(Graph& g, const ModelConfig& settings, int depth) {
  small_net(g, settings, depth, true);
}

void plain_net_cifar(Graph& g, const ModelConfig& settings, int depth) {
  small_net(g, settings, depth, false);
}

}  // namespace convoy
