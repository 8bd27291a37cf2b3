// MobileNet v1: Howard et al., "MobileNets: efficient convolutional neural networks for mobile
// vision applications" (2017), table 1, under timm's names. A depthwise 3x3 convolution and a 1x1
// one in the place of each convolution; settings.width is the paper's alpha.
//
// The published weights are TensorFlow's: to use them, set tf_padding. Convolutions begin by the
// outputs of their groups, as timm has it.
#include <array>
#include <cmath>

#include "trainer/models/layers.h"
#include "trainer/models/models.h"

namespace convoy {
namespace {

class Layers {
 public:
  Layers(Graph& g, const ModelConfig& s) : g_(g), s_(s) {}

  // NAME is the convolution, NORM its batch norm.
  Value conv_norm_relu6(const std::string& name, const std::string& norm_name, Value x, Conv conv) {
    conv.pad = padding(x, conv);
    const int outputs = conv.kernel.h * conv.kernel.w * conv.out_channels / conv.groups;
    conv.first_weights = normal(std::sqrt(2.0f / static_cast<float>(outputs)));
    x = norm(g_, s_, norm_name, conv2d(g_, name, x, conv), {.epsilon = 0.001f});
    return relu6(g_, norm_name + ".act", x);
  }

  Value separable(const std::string& name, Value x, int channels, int stride) {
    const auto inputs = static_cast<int>(g_.shape(x)[1]);
    x = conv_norm_relu6(name + ".conv_dw", name + ".bn1", x,
                        {.out_channels = inputs, .stride = stride, .groups = inputs});
    return conv_norm_relu6(name + ".conv_pw", name + ".bn2", x,
                           {.out_channels = scaled(s_, channels), .kernel = 1});
  }

 private:
  Padding padding(Value x, const Conv& conv) const {
    const Shape& shape = g_.shape(x);
    const Extent size{static_cast<int>(shape[2]), static_cast<int>(shape[3])};
    return s_.tf_padding ? same_padding(size, conv.kernel, conv.stride) : conv.kernel.h / 2;
  }

  Graph& g_;
  const ModelConfig& s_;
};

}  // namespace

void mobilenet_v1(Graph& g, const ModelConfig& s) {
  struct Group {
    int blocks;
    int channels;
  };
  constexpr std::array groups = {Group{1, 64}, Group{2, 128}, Group{2, 256}, Group{6, 512},
                                 Group{2, 1024}};
  Layers layers(g, s);
  Value x = layers.conv_norm_relu6("conv_stem", "bn1", g.input(),
                                   {.out_channels = scaled(s, 32), .stride = 2});
  for (std::size_t group = 0; group < groups.size(); ++group) {
    for (int i = 0; i < groups[group].blocks; ++i) {
      x = layers.separable("blocks." + std::to_string(group) + "." + std::to_string(i), x,
                           groups[group].channels, group > 0 && i == 0 ? 2 : 1);
    }
  }
  x = flatten(g, "flatten", global_pool(g, "global_pool", x));
  x = drop_out(g, s, "dropout", x, 0.001f);
  x = linear(g, "classifier", x,
             {.out_features = s.classes,
              .first_weights = uniform_by_outputs(),
              .first_biases = constant(0)});
  end_with_loss(g, s, x);
}

}  // namespace convoy
