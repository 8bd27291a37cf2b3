// What packing makes of unusual JPEG files: progressive ones baseline, CMYK ones RGB.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "data/image.h"

namespace convoy {

struct JpegTraits {
  bool cmyk = false;      // four channels, CMYK or YCCK
  bool baseline = false;  // one scan of Huffman codes: a region of it can be decoded alone
};

// From the header alone. Error(data), one line that starts with `place`.
JpegTraits traits_of_jpeg(std::span<const std::byte> bytes, std::string_view place);

// The same coefficients and metadata in one baseline scan with optimal Huffman tables. Where a
// progressive file leaves coefficients incomplete, decoders smooth its blocks, and not those of the
// result: compare the pixels. Error(data) for damaged files.
std::vector<std::byte> rewrite_as_baseline(std::span<const std::byte> bytes,
                                           std::string_view place);

// RGB as Pillow converts: inks are taken as inverted, which Adobe's are, whatever the file says;
// each channel is (255 - K) (255 - ink) / 255, rounded. Error(data).
void decode_cmyk_jpeg(std::span<const std::byte> bytes, std::string_view place, Image& image);

}  // namespace convoy
