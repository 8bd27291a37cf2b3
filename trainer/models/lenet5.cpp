// LeNet-5: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
// recognition" (1998), as it is taught today: all maps of C3 see all maps of S2, pooling has no
// weights, and the output is a linear layer under a softmax. 61,706 parameters at 1x28x28.
#include "trainer/models/layers.h"
#include "trainer/models/models.h"

namespace convoy {

void lenet5(Graph& g, const ModelConfig& settings) {
  const auto act = [&](std::string name, Value x) {
    return activation(g, std::move(name), x, settings.activation);
  };
  const auto pool = [&](std::string name, Value x) {
    return pool2d(g, std::move(name), x, {.kind = settings.pooling, .kernel = 2, .stride = 2});
  };

  Value x = g.input();
  x = conv2d(g, "conv1", x,
             {.out_channels = scaled(settings, 6), .kernel = 5, .pad = 2, .bias = true});
  x = pool("pool1", act("act1", x));
  x = conv2d(g, "conv2", x, {.out_channels = scaled(settings, 16), .kernel = 5, .bias = true});
  x = pool("pool2", act("act2", x));
  x = flatten(g, "flatten", x);
  x = act("act3", linear(g, "fc1", x, {.out_features = scaled(settings, 120)}));
  x = act("act4", linear(g, "fc2", x, {.out_features = scaled(settings, 84)}));
  end_with_loss(g, settings, linear(g, "fc3", x, {.out_features = settings.classes}));
}

}  // namespace convoy
