// Which passes of a convolution run by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray,
// "Fast Algorithms for Convolutional Neural Networks", 2016): 36 multiplications for 16 outputs
// instead of 144, paid for by transforming tiles of the feature maps in and out.
//
// A rule over shapes, not a measurement at start-up: every rank and every resumed run must choose
// alike, or their last bits would differ.
#pragma once

#include <cstddef>

#include "ops/onednn/descriptors.h"

namespace convoy::onednn {

enum class ConvPass { forward, source_gradient, weight_gradient };

// Scratchpads above this are refused: an arena of this size per worker would cost more than it
// gains.
inline constexpr std::size_t max_winograd_scratchpad = std::size_t{1} << 30;

// Whether the library's Winograd is faster than its direct kernel on one thread, for a dense 3x3
// convolution of stride 1. `src` and `dst`: [N, C, H, W].
bool winograd_is_faster(ConvPass pass, const Dims& src, const Dims& dst);

}  // namespace convoy::onednn
