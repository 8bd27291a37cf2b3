// SqueezeNet 1.1: Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
// <0.5MB model size" (2016), in the authors' second version, which computes 2.4 times less.
#include "trainer/models/layers.h"
#include "trainer/models/models.h"

namespace convoy {
namespace {

Value conv_relu(Graph& g, const ModelConfig& s, const std::string& name,
                const std::string& activation, Value x, Conv conv) {
  conv.out_channels = scaled(s, conv.out_channels);
  conv.bias = true;
  conv.first_weights = kaiming_uniform();
  conv.first_biases = constant(0);
  return relu(g, activation, conv2d(g, name, x, conv));
}

// To `squeezed` channels by 1x1, then to `expanded` each by 1x1 and 3x3.
Value fire(Graph& g, const ModelConfig& s, int index, Value x, int squeezed, int expanded) {
  const std::string name = "features." + std::to_string(index);
  const auto layer = [&](const char* part, Value from, Conv conv) {
    return conv_relu(g, s, name + part, name + part + "_activation", from, conv);
  };
  x = layer(".squeeze", x, {.out_channels = squeezed, .kernel = 1});
  const Value one = layer(".expand1x1", x, {.out_channels = expanded, .kernel = 1});
  const Value three = layer(".expand3x3", x, {.out_channels = expanded, .pad = 1});
  return concat(g, name, {one, three});
}

}  // namespace

void squeezenet1_1(Graph& g, const ModelConfig& s) {
  constexpr Pool half{.kernel = 3, .stride = 2, .ceil = true};
  Value x =
      conv_relu(g, s, "features.0", "features.1", g.input(), {.out_channels = 64, .stride = 2});
  x = pool2d(g, "features.2", x, half);
  x = fire(g, s, 3, x, 16, 64);
  x = fire(g, s, 4, x, 16, 64);
  x = pool2d(g, "features.5", x, half);
  x = fire(g, s, 6, x, 32, 128);
  x = fire(g, s, 7, x, 32, 128);
  x = pool2d(g, "features.8", x, half);
  x = fire(g, s, 9, x, 48, 192);
  x = fire(g, s, 10, x, 48, 192);
  x = fire(g, s, 11, x, 64, 256);
  x = fire(g, s, 12, x, 64, 256);
  x = drop_out(g, s, "classifier.0", x, 0.5f);
  x = conv2d(g, "classifier.1", x,
             {.out_channels = s.classes,
              .kernel = 1,
              .bias = true,
              .first_weights = normal(0.01f),
              .first_biases = constant(0)});
  x = global_pool(g, "classifier.3", relu(g, "classifier.2", x));
  end_with_loss(g, s, flatten(g, "flatten", x));
}

}  // namespace convoy
