#include "trainer/models/inception.h"

namespace convoy {

Value conv_norm_relu(Graph& g, const ModelConfig& s, const std::string& name, Value x, Conv conv) {
  conv.out_channels = scaled(s, conv.out_channels);
  conv.first_weights = truncated_normal(0.01f);
  x = conv2d(g, name + ".conv", x, conv);
  return relu(g, name + ".relu", norm(g, s, name + ".bn", x, {.epsilon = 0.001f}));
}

Value inception(Graph& g, const ModelConfig& s, const std::string& name, Value x, Inception block) {
  const auto conv = [&](const char* branch, Value from, int channels, int kernel) {
    return conv_norm_relu(g, s, name + branch, from,
                          {.out_channels = channels, .kernel = kernel, .pad = kernel / 2});
  };
  const Value one = conv(".branch1", x, block.branch1, 1);
  const Value two = conv(".branch2.1", conv(".branch2.0", x, block.reduce2, 1), block.branch2, 3);
  const Value three =
      conv(".branch3.1", conv(".branch3.0", x, block.reduce3, 1), block.branch3, block.kernel3);
  const Value largest = pool2d(g, name + ".branch4.0", x, {.kernel = 3, .stride = 1, .pad = 1});
  const Value four = conv(".branch4.1", largest, block.branch4, 1);
  return concat(g, name, {one, two, three, four});
}

void auxiliary_head(Graph& g, const ModelConfig& s, const std::string& name, Value x,
                    float weight) {
  if (!s.auxiliary_heads) return;
  x = adaptive_pool(g, name + ".pool", x, {.height = 4, .width = 4});
  x = conv_norm_relu(g, s, name + ".conv", x, {.out_channels = 128, .kernel = 1});
  x = linear(g, name + ".fc1", flatten(g, name + ".flatten", x),
             {.out_features = scaled(s, 1024), .first_weights = truncated_normal(0.01f)});
  x = drop_out(g, s, name + ".dropout", relu(g, name + ".relu", x), 0.7f);
  x = linear(g, name + ".fc2", x,
             {.out_features = s.classes, .first_weights = truncated_normal(0.01f)});
  add_loss(g, s, name + ".loss", x, weight);
}

}  // namespace convoy
