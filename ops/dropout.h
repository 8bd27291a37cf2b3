// Dropout (Srivastava et al., 2014), in the inverted form.
//
//   training:  dst = keep ? src / (1 - probability) : 0
//   inference: dst = src
//
// Whether an element is kept is a pure function of the step's seed, the layer and the sample's
// position in the run, and so the same on any number of ranks, in any layout, on any backend:
// element e of a sample, counted channels last (e = pixel * channels + channel), is kept where
// number e of the stream Random(seed, RandomUse::dropout, position + row, layer) is at least
// dropout_threshold(probability).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ops/parameter.h"

namespace convoy {

struct Dropout {
  float probability = 0.5f;  // of losing an element; in [0, 1)
  std::uint32_t layer = 0;   // distinct for every dropout of a graph
};

// Of 2^32 equally likely numbers so many drop an element.
constexpr std::uint32_t dropout_threshold(float probability) {
  return static_cast<std::uint32_t>(static_cast<double>(probability) * 0x1.0p32);
}

// Images [N, C, H, W] or rows [N, features].
Shape output_shape(const Dropout& op, std::string_view place, std::span<const Shape> inputs);
inline std::vector<ParameterSpec> parameters(const Dropout&, std::span<const Shape>) {
  return {};
}
inline double multiply_adds(const Dropout&, std::span<const Shape>) {
  return 0;
}

}  // namespace convoy
