// PNG: libpng, always to 8-bit grey or RGB, as Pillow's convert("RGB") does: palettes are looked
// up, alpha is dropped, of 16-bit samples the high byte stays (Pillow does so for colour, but clips
// 16-bit grey at 255). Gamma and colour profiles are ignored.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "data/image.h"

namespace convoy {

// Error(data), one line that starts with `place`, for anything damaged, cut short or too large.
ImageInfo probe_png(std::span<const std::byte> bytes, std::string_view place);
void decode_png(std::span<const std::byte> bytes, std::string_view place, Image& image);

// Without loss.
std::vector<std::byte> encode_png(const Image& image);

}  // namespace convoy
