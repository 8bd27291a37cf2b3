// The one list of models. A model is a function that adds its ops to a graph; parameters carry the
// names that torchvision, or where it has no such model the common PyTorch code, gives them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/graph.h"
#include "trainer/config.h"

namespace convoy {

// `settings.classes` is known here. Ends with a softmax loss.
void lenet5(Graph& graph, const ModelConfig& settings);
void resnet8(Graph& graph, const ModelConfig& settings);
void resnet20(Graph& graph, const ModelConfig& settings);
void resnet32(Graph& graph, const ModelConfig& settings);
void resnet44(Graph& graph, const ModelConfig& settings);
void resnet56(Graph& graph, const ModelConfig& settings);
void resnet110(Graph& graph, const ModelConfig& settings);

struct Model {
  std::string_view name;
  void (*build)(Graph&, const ModelConfig&);
};

inline constexpr Model models[] = {
    {"lenet5", lenet5},       {"resnet8", resnet8},   {"resnet20", resnet20},
    {"resnet32", resnet32},   {"resnet44", resnet44}, {"resnet56", resnet56},
    {"resnet110", resnet110},
};

// The network for micro-batches of `images` ([N, C, H, W]). Error(config) for an unknown name.
Graph build_model(const ModelConfig& settings, Shape images);

}  // namespace convoy
