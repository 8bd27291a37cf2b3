// Inception blocks (Szegedy et al., "Going deeper with convolutions", 2014) with batch norm, under
// torchvision's names.
#pragma once

#include <string>

#include "trainer/models/layers.h"

namespace convoy {

// NAME.conv, batch norm NAME.bn, ReLU.
Value conv_norm_relu(Graph& g, const ModelConfig& settings, const std::string& name, Value x,
                     Conv conv);

// Channels of the four branches, of which three begin by reducing them.
struct Inception {
  int branch1;  // 1x1
  int reduce2;
  int branch2;  // 3x3
  int reduce3;
  int branch3;  // kernel3
  int branch4;  // 3x3 maximum, then 1x1
  // 5 in the paper; torchvision's weights have 3.
  int kernel3 = 3;
};
// The branches' maps, of the size of x, one after another.
Value inception(Graph& g, const ModelConfig& settings, const std::string& name, Value x,
                Inception block);

// Averages of 4x4 parts, a convolution, two linear layers and a loss of its own, in training.
void auxiliary_head(Graph& g, const ModelConfig& settings, const std::string& name, Value x,
                    float weight);

}  // namespace convoy
