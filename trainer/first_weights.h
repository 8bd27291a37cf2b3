// First weights: what a new run's parameters hold before its first step.
#pragma once

#include "data/dataset.h"
#include "trainer/network.h"

namespace convoy {

// As config.init has it: drawn from the seed, then identities, whitening, and weights from
// elsewhere, each over what the ones before have written. Error(config) where a name or pattern of
// config.init fits nothing; Error(data) for weights that do not fit.
void make_first_weights(const Config& config, const Network& network, const Dataset& train,
                        Parameters& parameters);

// Filter o of a convolution's weights [OC, IC, KH, KW] becomes the identity of channel o, for all o
// below IC (torch.nn.init.dirac_): 1 at the kernel's centre, 0 elsewhere. Further filters stay.
void set_identity(const Shape& shape, std::span<float> weights);

}  // namespace convoy
