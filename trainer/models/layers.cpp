#include "trainer/models/layers.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ops/core/check.h"

namespace convoy {
namespace {

// x as the block's sum wants it: itself where it has the shape of y.
Value shortcut(Graph& g, const ModelConfig& s, const std::string& name, Value x, Value y,
               int stride) {
  if (g.shape(x) == g.shape(y)) return x;
  const auto channels = static_cast<int>(g.shape(y)[1]);
  x = conv2d(g, name + ".downsample.0", x,
             {.out_channels = channels, .kernel = 1, .stride = stride});
  return norm(g, s, name + ".downsample.1", x);
}

// The last batch norm of a residual block: at zero the block begins as its shortcut (Goyal et al.,
// 2017, section 5.1).
Value last_norm(Graph& g, const ModelConfig& s, std::string name, Value x) {
  return norm(g, s, std::move(name), x, {.first_scale = s.zero_init_gamma ? 0.0f : 1.0f});
}

}  // namespace

int scaled(const ModelConfig& settings, int published) {
  if (settings.width == 1) return published;
  const double exact = settings.width * published;
  int rounded = std::max(8, 8 * static_cast<int>(std::floor(exact / 8 + 0.5)));
  if (rounded < 0.9 * exact) rounded += 8;
  return rounded;
}

Value norm(Graph& g, const ModelConfig& settings, std::string name, Value x, BatchNorm published) {
  if (settings.norm_epsilon) published.epsilon = static_cast<float>(*settings.norm_epsilon);
  if (settings.norm_momentum) published.momentum = static_cast<float>(*settings.norm_momentum);
  published.synchronised = settings.synchronised_norm;
  return batch_norm(g, std::move(name), x, published);
}

Value drop_out(Graph& g, const ModelConfig& settings, std::string name, Value x, float published) {
  const float probability = settings.dropout ? static_cast<float>(*settings.dropout) : published;
  return probability == 0 ? x : dropout(g, std::move(name), x, probability);
}

void add_loss(Graph& g, const ModelConfig& settings, std::string name, Value scores, float weight) {
  const auto smoothing = static_cast<float>(settings.label_smoothing);
  if (settings.loss == LossKind::softmax) {
    softmax_loss(g, std::move(name), scores, {.smoothing = smoothing, .weight = weight});
    return;
  }
  require(smoothing == 0, ExitCode::config, "model.label_smoothing",
          "{}, but it belongs to the loss softmax, and model.loss is squared_error", smoothing);
  squared_error(g, std::move(name), scores, {.weight = weight});
}

void end_with_loss(Graph& g, const ModelConfig& settings, Value scores) {
  add_loss(g, settings, "loss", scores, 1);
}

Value basic_block(Graph& g, const ModelConfig& s, const std::string& name, Value x,
                  BasicBlock block) {
  Value y = conv2d(g, name + ".conv1", x,
                   {.out_channels = block.channels, .stride = block.stride, .pad = 1});
  y = relu(g, name + ".relu1", norm(g, s, name + ".bn1", y));
  y = conv2d(g, name + ".conv2", y, {.out_channels = block.channels, .pad = 1});
  if (!block.shortcut) return relu(g, name + ".relu2", norm(g, s, name + ".bn2", y));
  y = last_norm(g, s, name + ".bn2", y);
  x = shortcut(g, s, name, x, y, block.stride);
  return relu(g, name + ".relu2", add(g, name + ".add", y, x));
}

Value bottleneck(Graph& g, const ModelConfig& s, const std::string& name, Value x,
                 Bottleneck block) {
  Value y = conv2d(g, name + ".conv1", x, {.out_channels = block.channels, .kernel = 1});
  y = relu(g, name + ".relu1", norm(g, s, name + ".bn1", y));
  y = conv2d(g, name + ".conv2", y,
             {.out_channels = block.channels, .stride = block.stride, .pad = 1});
  y = relu(g, name + ".relu2", norm(g, s, name + ".bn2", y));
  y = conv2d(g, name + ".conv3", y, {.out_channels = 4 * block.channels, .kernel = 1});
  y = last_norm(g, s, name + ".bn3", y);
  x = shortcut(g, s, name, x, y, block.stride);
  return relu(g, name + ".relu3", add(g, name + ".add", y, x));
}

Value pooled_scores(Graph& g, const ModelConfig& settings, std::string name, Value x) {
  x = flatten(g, "flatten", global_pool(g, "avgpool", x));
  return linear(g, std::move(name), x, {.out_features = settings.classes});
}

}  // namespace convoy
