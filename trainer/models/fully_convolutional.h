// A network made for images of one size, slid over larger ones.
#pragma once

#include "ops/graph.h"

namespace convoy {

enum class Scores {
  mean,  // over all windows, [N, classes]: dense evaluation (Simonyan and Zisserman, 2014, 3.2)
  map    // of each window, [N, classes * H * W]; its loss means nothing
};

// The network on larger `images`, with the parameters of `network` under their names, as
// convolutions: a linear layer over flattened maps of h x w has a kernel of h x w, one over rows a
// kernel of 1x1, and a global average is one over windows of the size that it had. The scores at
// (i, j) are those of the window that begins at (i, j) times the product of all strides; exactly
// so for networks without padding, which else sees the image go on where the window's border
// would be. Error(config) for smaller images, and for layers that have no such form.
Graph fully_convolutional(const Graph& network, Shape images, Scores scores);

}  // namespace convoy
