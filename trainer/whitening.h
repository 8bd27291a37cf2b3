// Whitening: a first convolution whose outputs are uncorrelated and of one variance, from the
// training images themselves. Not trained, it spares small networks the time that they would take
// to learn such a layer: David Page, "How to train your ResNet" (2018), part 8; Jordan, "94% on
// CIFAR-10 in 3.29 seconds on a single GPU" (2024), section 3.1.
//
// Of the patches x of C x KH x KW normalised values under the convolution, the second moments
// E[x x^T] have eigenvectors v_i with eigenvalues e_i, largest first. Filters 2i and 2i + 1 are
//
//   +- v_i / sqrt(e_i + 5e-4)
//
// for as many i as there are pairs of filters or eigenvectors; further filters stay as they are.
// (Both signs, since a ReLU lets only one of them through.)
#pragma once

#include <string>

#include "data/dataset.h"
#include "trainer/network.h"

namespace convoy {

// Into the weights of the convolution `layer`. From 16 to 2,048 images spread over the data set, as
// many as take a moment, as evaluation prepares them. The same bits on any machine with the same
// build. Error(config) unless that layer is a convolution on the images, without groups or
// dilation.
void whiten(const std::string& layer, const Config& config, const Network& network,
            const Dataset& dataset, Parameters& parameters);

}  // namespace convoy
