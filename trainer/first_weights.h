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

}  // namespace convoy
