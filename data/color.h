// Color: the transforms that change colours in place, in Pillow's arithmetic to the last bit.
#pragma once

#include <array>
#include <cstdint>

#include "data/image.h"
#include "ops/core/random.h"

namespace convoy {

// Brightness, contrast and saturation by factors from 1 - x to 1 + x, at least 0; hue by up to x of
// a turn either way; in random order (torchvision's ColorJitter).
struct ColorJitter {
  float brightness = 0;
  float contrast = 0;
  float saturation = 0;
  float hue = 0;
};

struct RandomGrayscale {
  float probability = 0.1f;
};

// One colour more or less everywhere, along the main directions in which ImageNet's colours vary:
// Krizhevsky et al., "ImageNet classification with deep convolutional neural networks" (2012).
// Added to pixels in [0, 1], not cut off; `std` of the normal draws.
struct Lighting {
  float std = 0.1f;
};

// What follows works on grey images (1 channel) and on RGB (3).

// Pillow's "L" (ITU-R 601-2 luma).
inline std::uint8_t luma(const std::uint8_t* rgb) {
  const std::uint32_t sum = 19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u;
  return static_cast<std::uint8_t>(sum >> 16);
}

// Away from black, from the mean grey, from each pixel's grey, and from a blurred image (PIL's
// ImageEnhance): 0 is all the way there, 1 no change, more than 1 further away.
void adjust_brightness(Image& image, float factor);
void adjust_contrast(Image& image, float factor);
void adjust_saturation(Image& image, float factor);
void adjust_sharpness(Image& image, float factor, Image& scratch);
// By a share of a turn, -0.5 to 0.5; 8-bit hues as PIL's HSV has them.
void adjust_hue(Image& image, double turn);
// Still three channels.
void make_colourless(Image& image);

// The highest `bits` bits of each value; values from `threshold` on inverted; each channel
// stretched to 0 to 255; each channel's histogram made flat (PIL's ImageOps).
void posterize(Image& image, int bits);
void solarize(Image& image, double threshold);
void autocontrast(Image& image);
void equalize(Image& image);

void jitter(const ColorJitter& jitter, Image& image, Random& draws);
// What to add to each channel.
std::array<float, 3> draw(const Lighting& lighting, Random& draws);

}  // namespace convoy
