// AlexNet, in three shapes.
//
//   alexnet        torchvision's: Krizhevsky, "One weird trick for parallelizing convolutional
//                  neural networks" (2014), without response normalisation; 224x224
//   alexnet_2012   Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep
//                  convolutional neural networks" (2012): two groups of channels for two GPUs, and
//                  local response normalisation; names of Caffe's; made for 227x227
//   zfnet          Zeiler and Fergus, "Visualizing and understanding convolutional networks"
//                  (2013), figure 3: a smaller first kernel and stride, and no groups; 224x224
#include "trainer/models/layers.h"
#include "trainer/models/models.h"

namespace convoy {
namespace {

constexpr Pool overlapping{.kernel = 3, .stride = 2};

// Section 3.3 of the paper, whose alpha is not divided by the size.
constexpr Lrn response_norm{.size = 5, .alpha = 5e-4f, .beta = 0.75f, .k = 2};

// Layers whose weights begin at deviation 0.01.
Value conv(Graph& g, const ModelConfig& s, const std::string& name, Value x, Conv layer,
           float first_bias) {
  layer.out_channels = scaled(s, layer.out_channels);
  layer.bias = true;
  layer.first_weights = normal(0.01f);
  layer.first_biases = constant(first_bias);
  return relu(g, "relu_" + name, conv2d(g, name, x, layer));
}

Value dense(Graph& g, std::string name, Value x, int outputs, float first_bias) {
  return linear(g, std::move(name), x,
                {.out_features = outputs,
                 .first_weights = normal(0.01f),
                 .first_biases = constant(first_bias)});
}

// The three linear layers of 2012 and 2013.
void classify(Graph& g, const ModelConfig& s, Value x, float first_bias) {
  x = flatten(g, "flatten", x);
  for (const char* layer : {"6", "7"}) {
    x = dense(g, std::string("fc") + layer, x, scaled(s, 4096), first_bias);
    x = relu(g, std::string("relu_fc") + layer, x);
    x = drop_out(g, s, std::string("drop") + layer, x, 0.5f);
  }
  end_with_loss(g, s, dense(g, "fc8", x, s.classes, 0));
}

}  // namespace

void alexnet(Graph& g, const ModelConfig& s) {
  const auto conv_relu = [&](int index, Value x, Conv layer) {
    layer.out_channels = scaled(s, layer.out_channels);
    layer.bias = true;
    layer.first_weights = uniform_by_inputs();
    x = conv2d(g, "features." + std::to_string(index), x, layer);
    return relu(g, "features." + std::to_string(index + 1), x);
  };
  Value x = conv_relu(0, g.input(), {.out_channels = 64, .kernel = 11, .stride = 4, .pad = 2});
  x = pool2d(g, "features.2", x, overlapping);
  x = conv_relu(3, x, {.out_channels = 192, .kernel = 5, .pad = 2});
  x = pool2d(g, "features.5", x, overlapping);
  x = conv_relu(6, x, {.out_channels = 384, .pad = 1});
  x = conv_relu(8, x, {.out_channels = 256, .pad = 1});
  x = conv_relu(10, x, {.out_channels = 256, .pad = 1});
  x = pool2d(g, "features.12", x, overlapping);
  x = adaptive_pool(g, "avgpool", x, {.height = 6, .width = 6});
  x = drop_out(g, s, "classifier.0", flatten(g, "flatten", x), 0.5f);
  x = linear(g, "classifier.1", x, {.out_features = scaled(s, 4096)});
  x = drop_out(g, s, "classifier.3", relu(g, "classifier.2", x), 0.5f);
  x = linear(g, "classifier.4", x, {.out_features = scaled(s, 4096)});
  x = relu(g, "classifier.5", x);
  end_with_loss(g, s, linear(g, "classifier.6", x, {.out_features = s.classes}));
}

void alexnet_2012(Graph& g, const ModelConfig& s) {
  Value x = conv(g, s, "conv1", g.input(), {.out_channels = 96, .kernel = 11, .stride = 4}, 0);
  x = pool2d(g, "pool1", lrn(g, "norm1", x, response_norm), overlapping);
  x = conv(g, s, "conv2", x, {.out_channels = 256, .kernel = 5, .pad = 2, .groups = 2}, 1);
  x = pool2d(g, "pool2", lrn(g, "norm2", x, response_norm), overlapping);
  x = conv(g, s, "conv3", x, {.out_channels = 384, .pad = 1}, 0);
  x = conv(g, s, "conv4", x, {.out_channels = 384, .pad = 1, .groups = 2}, 1);
  x = conv(g, s, "conv5", x, {.out_channels = 256, .pad = 1, .groups = 2}, 1);
  classify(g, s, pool2d(g, "pool5", x, overlapping), 1);
}

void zfnet(Graph& g, const ModelConfig& s) {
  constexpr Pool padded{.kernel = 3, .stride = 2, .pad = 1};
  Value x =
      conv(g, s, "conv1", g.input(), {.out_channels = 96, .kernel = 7, .stride = 2, .pad = 1}, 0);
  x = lrn(g, "norm1", pool2d(g, "pool1", x, padded), response_norm);
  x = conv(g, s, "conv2", x, {.out_channels = 256, .kernel = 5, .stride = 2}, 0);
  x = lrn(g, "norm2", pool2d(g, "pool2", x, padded), response_norm);
  x = conv(g, s, "conv3", x, {.out_channels = 384, .pad = 1}, 0);
  x = conv(g, s, "conv4", x, {.out_channels = 384, .pad = 1}, 0);
  x = conv(g, s, "conv5", x, {.out_channels = 256, .pad = 1}, 0);
  classify(g, s, pool2d(g, "pool5", x, overlapping), 0);
}

}  // namespace convoy
