// Layers: what networks repeat, under the settings of the model. Further ops: ops/graph.h.
#pragma once

#include <string>

#include "ops/graph.h"
#include "trainer/config.h"

namespace convoy {

// `published` channels or units at the model's width: exact at width 1, otherwise to the nearest
// multiple of eight, at least eight, and never less than nine tenths of the product.
int scaled(const ModelConfig& settings, int published);

// Batch norm with the model's epsilon and momentum, where it sets them.
Value norm(Graph& g, const ModelConfig& settings, std::string name, Value x,
           BatchNorm published = {});

// Dropout with the model's probability where it sets one; nothing at probability 0.
Value drop_out(Graph& g, const ModelConfig& settings, std::string name, Value x, float published);

// The loss that the settings choose.
void add_loss(Graph& g, const ModelConfig& settings, std::string name, Value scores, float weight);

// The network's main loss, named "loss", and with it the end.
void end_with_loss(Graph& g, const ModelConfig& settings, Value scores);

// The two-layer block of He et al. (2015): two 3x3 convolutions, NAME.conv1 with `stride`. The
// shortcut, if there is one, is a 1x1 convolution with batch norm (option B) where the shape
// changes.
struct BasicBlock {
  int channels = 0;
  int stride = 1;
  bool shortcut = true;
};
Value basic_block(Graph& g, const ModelConfig& settings, const std::string& name, Value x,
                  BasicBlock block);

// The three-layer block: 1x1 to `channels`, 3x3 with `stride`, 1x1 to four times as many.
struct Bottleneck {
  int channels = 0;
  int stride = 1;
};
Value bottleneck(Graph& g, const ModelConfig& settings, const std::string& name, Value x,
                 Bottleneck block);

// Global average, then a linear layer `name` to the classes.
Value pooled_scores(Graph& g, const ModelConfig& settings, std::string name, Value x);

}  // namespace convoy
