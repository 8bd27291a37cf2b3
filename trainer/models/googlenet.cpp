// GoogLeNet: Szegedy et al., "Going deeper with convolutions" (2014), table 1, as torchvision has
// it: with batch norm in the place of response normalisation, and 3x3 where the paper has 5x5. The
// two auxiliary heads count 0.3 of the main loss each.
#include "trainer/models/inception.h"
#include "trainer/models/models.h"

namespace convoy {

void googlenet(Graph& g, const ModelConfig& s) {
  constexpr Pool half{.kernel = 3, .stride = 2, .ceil = true};
  constexpr float auxiliary_weight = 0.3f;
  Value x = conv_norm_relu(g, s, "conv1", g.input(),
                           {.out_channels = 64, .kernel = 7, .stride = 2, .pad = 3});
  x = pool2d(g, "maxpool1", x, half);
  x = conv_norm_relu(g, s, "conv2", x, {.out_channels = 64, .kernel = 1});
  x = conv_norm_relu(g, s, "conv3", x, {.out_channels = 192, .pad = 1});
  x = pool2d(g, "maxpool2", x, half);
  x = inception(g, s, "inception3a", x, {64, 96, 128, 16, 32, 32});
  x = inception(g, s, "inception3b", x, {128, 128, 192, 32, 96, 64});
  x = pool2d(g, "maxpool3", x, half);
  x = inception(g, s, "inception4a", x, {192, 96, 208, 16, 48, 64});
  auxiliary_head(g, s, "aux1", x, auxiliary_weight);
  x = inception(g, s, "inception4b", x, {160, 112, 224, 24, 64, 64});
  x = inception(g, s, "inception4c", x, {128, 128, 256, 24, 64, 64});
  x = inception(g, s, "inception4d", x, {112, 144, 288, 32, 64, 64});
  auxiliary_head(g, s, "aux2", x, auxiliary_weight);
  x = inception(g, s, "inception4e", x, {256, 160, 320, 32, 128, 128});
  x = pool2d(g, "maxpool4", x, {.kernel = 2, .stride = 2, .ceil = true});
  x = inception(g, s, "inception5a", x, {256, 160, 320, 32, 128, 128});
  x = inception(g, s, "inception5b", x, {384, 192, 384, 48, 128, 128});
  x = flatten(g, "flatten", global_pool(g, "avgpool", x));
  x = drop_out(g, s, "dropout", x, 0.2f);
  x = linear(g, "fc", x, {.out_features = s.classes, .first_weights = truncated_normal(0.01f)});
  end_with_loss(g, s, x);
}

}  // namespace convoy
