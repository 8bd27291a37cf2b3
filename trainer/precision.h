// Which precision convolutions multiply in where a configuration says `precision: auto`.
#pragma once

#include "trainer/config.h"

namespace convoy {

// bf16 where it makes the model's own largest convolution clearly faster on this machine, here and
// now: forward and both gradients, for micro-batches of `images` [N, C, H, W]. Takes seconds. fp32
// where nothing would be rounded.
Precision measure_precision(const Config& config, const Shape& images);

}  // namespace convoy
