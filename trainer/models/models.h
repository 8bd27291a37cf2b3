// The one list of models. A model is a function that adds its ops to a graph; parameters carry the
// names that torchvision gives them, or where it has no such model timm, or the code that made the
// model known.
#pragma once

#include <string_view>

#include "ops/graph.h"
#include "trainer/config.h"

namespace convoy {

// `settings.classes` is known here. Each ends with the main loss; auxiliary ones come before it.
void alexnet(Graph& graph, const ModelConfig& settings);
void alexnet_2012(Graph& graph, const ModelConfig& settings);
void googlenet(Graph& graph, const ModelConfig& settings);
void lenet5(Graph& graph, const ModelConfig& settings);
void mobilenet_v1(Graph& graph, const ModelConfig& settings);
void nin(Graph& graph, const ModelConfig& settings);
void nin_cifar(Graph& graph, const ModelConfig& settings);
void plain_net(Graph& graph, const ModelConfig& settings, int depth);
void plain_net_cifar(Graph& graph, const ModelConfig& settings, int depth);
void resnet(Graph& graph, const ModelConfig& settings, int depth);
void resnet_cifar(Graph& graph, const ModelConfig& settings, int depth);
void resnet18_cifar(Graph& graph, const ModelConfig& settings);
void resnet9(Graph& graph, const ModelConfig& settings);
void squeezenet1_1(Graph& graph, const ModelConfig& settings);
void vgg(Graph& graph, const ModelConfig& settings, int depth);
void vgg_bn(Graph& graph, const ModelConfig& settings, int depth);
void zfnet(Graph& graph, const ModelConfig& settings);

struct Model {
  std::string_view name;
  void (*build)(Graph&, const ModelConfig&);
};

// A model of a family, by its number of layers.
template <auto family, int depth>
void of_depth(Graph& graph, const ModelConfig& settings) {
  family(graph, settings, depth);
}

inline constexpr Model models[] = {
    {"lenet5", lenet5},
    {"alexnet", alexnet},
    {"alexnet_2012", alexnet_2012},
    {"zfnet", zfnet},
    {"nin", nin},
    {"vgg11", of_depth<vgg, 11>},
    {"vgg13", of_depth<vgg, 13>},
    {"vgg16", of_depth<vgg, 16>},
    {"vgg19", of_depth<vgg, 19>},
    {"vgg11_bn", of_depth<vgg_bn, 11>},
    {"vgg13_bn", of_depth<vgg_bn, 13>},
    {"vgg16_bn", of_depth<vgg_bn, 16>},
    {"vgg19_bn", of_depth<vgg_bn, 19>},
    {"googlenet", googlenet},
    {"plain18", of_depth<plain_net, 18>},
    {"plain34", of_depth<plain_net, 34>},
    {"resnet18", of_depth<resnet, 18>},
    {"resnet34", of_depth<resnet, 34>},
    {"resnet50", of_depth<resnet, 50>},
    {"resnet101", of_depth<resnet, 101>},
    {"resnet152", of_depth<resnet, 152>},
    {"squeezenet1_1", squeezenet1_1},
    {"mobilenet_v1", mobilenet_v1},
    // For images of 32x32.
    {"nin_cifar", nin_cifar},
    {"resnet9", resnet9},
    {"resnet18_cifar", resnet18_cifar},
    {"resnet8", of_depth<resnet_cifar, 8>},
    {"resnet20", of_depth<resnet_cifar, 20>},
    {"resnet32", of_depth<resnet_cifar, 32>},
    {"resnet44", of_depth<resnet_cifar, 44>},
    {"resnet56", of_depth<resnet_cifar, 56>},
    {"resnet110", of_depth<resnet_cifar, 110>},
    {"plain20", of_depth<plain_net_cifar, 20>},
    {"plain32", of_depth<plain_net_cifar, 32>},
    {"plain44", of_depth<plain_net_cifar, 44>},
    {"plain56", of_depth<plain_net_cifar, 56>},
};

// The network for micro-batches of `images` ([N, C, H, W]); with settings.window the fully
// convolutional one. Error(config) for an unknown name, and for images that do not fit, naming
// the layer.
Graph build_model(const ModelConfig& settings, Shape images);

}  // namespace convoy
