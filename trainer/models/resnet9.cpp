// ResNet-9: the network of David Page, "How to train your ResNet" (2018), made for speed on
// CIFAR-10 (DAWNBench): 3x3 convolutions with batch norm, three max poolings, two residual blocks,
// and scores that are divided by eight before the softmax. Here the linear layer begins eight times
// smaller instead; with a rate 64 times smaller and a decay 64 times larger, as the configuration
// has it, SGD then takes the same steps. 6,573,120 parameters for ten classes. Names are those of
// its published code.
#include <cmath>

#include "trainer/models/layers.h"
#include "trainer/models/models.h"

namespace convoy {
namespace {

Value conv_norm(Graph& g, const ModelConfig& s, const std::string& name, Value x, int channels) {
  x = conv2d(g, name + ".conv", x, {.out_channels = channels, .pad = 1});
  return relu(g, name + ".relu", norm(g, s, name + ".bn", x));
}

Value conv_pool(Graph& g, const ModelConfig& s, const std::string& name, Value x, int channels) {
  x = conv_norm(g, s, name, x, channels);
  return pool2d(g, name + ".pool", x, {.kernel = 2, .stride = 2});
}

Value residual(Graph& g, const ModelConfig& s, const std::string& name, Value x) {
  const auto channels = static_cast<int>(g.shape(x)[1]);
  Value y = conv_norm(g, s, name + ".residual.res1", x, channels);
  y = conv_norm(g, s, name + ".residual.res2", y, channels);
  return add(g, name + ".residual.add", x, y);
}

}  // namespace

void resnet9(Graph& g, const ModelConfig& s) {
  Value x = conv_norm(g, s, "prep", g.input(), scaled(s, 64));
  x = residual(g, s, "layer1", conv_pool(g, s, "layer1", x, scaled(s, 128)));
  x = conv_pool(g, s, "layer2", x, scaled(s, 256));
  x = residual(g, s, "layer3", conv_pool(g, s, "layer3", x, scaled(s, 512)));
  x = pool2d(g, "pool", x, {.kernel = 4, .stride = 4});
  x = flatten(g, "flatten", x);
  const auto inputs = static_cast<float>(g.shape(x)[1]);
  // An eighth of the default of torch.nn.Linear.
  x = linear(g, "linear", x,
             {.out_features = s.classes,
              .bias = false,
              .first_weights = normal(0.125f / std::sqrt(3 * inputs))});
  end_with_loss(g, s, x);
}

}  // namespace convoy
