#include "data/color.h"

#include <algorithm>
#include <array>
#include <utility>

namespace convoy {
namespace {

using Table = std::array<std::uint8_t, 256>;  // what each value becomes
using Histogram = std::array<std::int64_t, 256>;

template <class Function>
Table table_of(const Function& function) {
  Table table;
  for (int value = 0; value < 256; ++value) {
    table[value] = static_cast<std::uint8_t>(function(value));
  }
  return table;
}

void map(Image& image, const Table& table) {
  for (std::uint8_t& value : image.pixels) value = table[value];
}

// Each channel by a table of its own, made from its histogram.
void map_channels(Image& image, Table (*table_for)(const Histogram&)) {
  std::array<Histogram, 3> histograms{};
  const int channels = image.channels;
  for (std::size_t i = 0; i < image.pixels.size(); i += channels) {
    for (int c = 0; c < channels; ++c) ++histograms[c][image.pixels[i + c]];
  }
  std::array<Table, 3> tables;
  for (int c = 0; c < channels; ++c) tables[c] = table_for(histograms[c]);
  for (std::size_t i = 0; i < image.pixels.size(); i += channels) {
    for (int c = 0; c < channels; ++c) image.pixels[i + c] = tables[c][image.pixels[i + c]];
  }
}

// From `from`, a share of the way to `to` or beyond; cut off, not rounded.
std::uint8_t blend(int from, int to, float share) {
  const float value = static_cast<float>(from) + share * static_cast<float>(to - from);
  return static_cast<std::uint8_t>(std::clamp(value, 0.0f, 255.0f));
}

int mean_luma(const Image& image) {
  std::int64_t sum = 0;
  const std::int64_t count = std::int64_t{image.height} * image.width;
  if (image.channels == 1) {
    for (const std::uint8_t value : image.pixels) sum += value;
  } else {
    for (std::int64_t i = 0; i < count; ++i) sum += luma(&image.pixels[3 * i]);
  }
  return static_cast<int>(static_cast<double>(sum) / static_cast<double>(count) + 0.5);
}

// Hue and saturation as Pillow's 8-bit HSV has them; the value is the largest of the three.
std::pair<std::uint8_t, std::uint8_t> hue_and_saturation(const std::uint8_t* rgb) {
  const auto [least, most] = std::minmax({rgb[0], rgb[1], rgb[2]});
  if (least == most) return {std::uint8_t{0}, std::uint8_t{0}};
  const auto range = static_cast<float>(most - least);
  const float saturation = range / static_cast<float>(most);
  const auto distance = [&, most = most](int c) {
    return static_cast<float>(most - rgb[c]) / range;
  };
  float sixths;
  if (rgb[0] == most) {
    sixths = distance(2) - distance(1);
  } else if (rgb[1] == most) {
    sixths = static_cast<float>(2.0 + distance(0) - distance(2));
  } else {
    sixths = static_cast<float>(4.0 + distance(1) - distance(0));
  }
  const double turned = sixths / 6.0 + 1.0;
  const auto hue = static_cast<float>(turned >= 1 ? turned - 1 : turned);
  return {static_cast<std::uint8_t>(hue * 255.0), static_cast<std::uint8_t>(saturation * 255.0)};
}

void write_rgb(std::uint8_t hue, std::uint8_t saturation, std::uint8_t value, std::uint8_t* rgb) {
  const double sixths = hue * 6.0 / 255.0;
  const int sector = static_cast<int>(sixths);
  const auto rest = static_cast<float>(sixths - sector);
  const auto strength = static_cast<float>(saturation / 255.0);
  const auto part = [&](double share) { return static_cast<std::uint8_t>(value * share + 0.5); };
  const std::uint8_t low = part(1.0 - strength);
  const std::uint8_t falling = part(1.0 - strength * rest);
  const std::uint8_t rising = part(1.0 - strength * (1.0 - rest));
  const std::uint8_t sectors[6][3] = {{value, rising, low}, {falling, value, low},
                                      {low, value, rising}, {low, falling, value},
                                      {rising, low, value}, {value, low, falling}};
  std::copy_n(sectors[sector % 6], 3, rgb);
}

// A row of the image blurred by PIL's SMOOTH filter: 5 in the middle and 1 around it, of 13.
void blur_row(const std::uint8_t* row, std::ptrdiff_t stride, int width, int channels,
              std::uint8_t* out) {
  constexpr float side = 1.0f / 13, middle = 5.0f / 13;
  const auto three = [&](const std::uint8_t* p, float centre) {
    return static_cast<float>(p[-channels]) * side + static_cast<float>(*p) * centre +
           static_cast<float>(p[channels]) * side;
  };
  std::copy_n(row, std::ptrdiff_t(width) * channels, out);
  for (int i = channels; i < (width - 1) * channels; ++i) {
    float sum = 0.5f;
    sum += three(row + i + stride, side);
    sum += three(row + i, middle);
    sum += three(row + i - stride, side);
    out[i] = static_cast<std::uint8_t>(sum);
  }
}

Table stretched(const Histogram& histogram) {
  int low = 0, high = 255;
  while (low < 255 && histogram[low] == 0) ++low;
  while (high > 0 && histogram[high] == 0) --high;
  if (high <= low) return table_of([](int value) { return value; });
  const double scale = 255.0 / (high - low);
  const double offset = -low * scale;
  return table_of(
      [&](int value) { return std::clamp(static_cast<int>(value * scale + offset), 0, 255); });
}

Table flattened(const Histogram& histogram) {
  std::int64_t total = 0, last = 0;
  int used = 0;
  for (const std::int64_t count : histogram) {
    total += count;
    if (count == 0) continue;
    last = count;
    ++used;
  }
  const std::int64_t step = (total - last) / 255;
  if (used <= 1 || step == 0) return table_of([](int value) { return value; });
  std::int64_t below = step / 2;
  return table_of([&](int value) {
    return std::min<std::int64_t>(std::exchange(below, below + histogram[value]) / step, 255);
  });
}

}  // namespace

void adjust_brightness(Image& image, float factor) {
  map(image, table_of([&](int value) { return blend(0, value, factor); }));
}

void adjust_contrast(Image& image, float factor) {
  const int mean = mean_luma(image);
  map(image, table_of([&](int value) { return blend(mean, value, factor); }));
}

void adjust_saturation(Image& image, float factor) {
  if (image.channels == 1) return;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    std::uint8_t* rgb = &image.pixels[i];
    const int grey = luma(rgb);
    for (int c = 0; c < 3; ++c) rgb[c] = blend(grey, rgb[c], factor);
  }
}

void adjust_sharpness(Image& image, float factor, Image& scratch) {
  const int channels = image.channels;
  const std::ptrdiff_t stride = std::ptrdiff_t(image.width) * channels;
  if (image.height < 3 || image.width < 3) return;
  scratch = image;
  for (int y = 1; y < image.height - 1; ++y) {
    std::uint8_t* row = image.pixels.data() + y * stride;
    blur_row(scratch.pixels.data() + y * stride, stride, image.width, channels, row);
    const std::uint8_t* sharp = scratch.pixels.data() + y * stride;
    for (std::ptrdiff_t i = 0; i < stride; ++i) row[i] = blend(row[i], sharp[i], factor);
  }
}

void adjust_hue(Image& image, double turn) {
  if (image.channels == 1) return;
  const auto shift = static_cast<std::uint8_t>(static_cast<int>(turn * 255));
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    std::uint8_t* rgb = &image.pixels[i];
    const auto [hue, saturation] = hue_and_saturation(rgb);
    write_rgb(static_cast<std::uint8_t>(hue + shift), saturation,
              std::max({rgb[0], rgb[1], rgb[2]}), rgb);
  }
}

void make_colourless(Image& image) {
  if (image.channels == 1) return;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    std::fill_n(&image.pixels[i], 3, luma(&image.pixels[i]));
  }
}

void posterize(Image& image, int bits) {
  const int mask = 0xFF << (8 - bits);
  map(image, table_of([&](int value) { return value & mask; }));
}

void solarize(Image& image, double threshold) {
  map(image, table_of([&](int value) { return value < threshold ? value : 255 - value; }));
}

void autocontrast(Image& image) {
  map_channels(image, stretched);
}

void equalize(Image& image) {
  map_channels(image, flattened);
}

void jitter(const ColorJitter& jitter, Image& image, Random& draws) {
  std::array<int, 4> order{0, 1, 2, 3};
  for (std::uint32_t i = 3; i > 0; --i) std::swap(order[i], order[draws.below(i + 1)]);
  const auto factor = [&](float range) {
    return draws.uniform(std::max(0.0f, 1 - range), 1 + range);
  };
  // All are drawn in one order, so that turning one off leaves the others as they were.
  const float brightness = factor(jitter.brightness);
  const float contrast = factor(jitter.contrast);
  const float saturation = factor(jitter.saturation);
  const float turn = draws.uniform(-jitter.hue, jitter.hue);
  for (const int which : order) {
    if (which == 0 && jitter.brightness > 0) adjust_brightness(image, brightness);
    if (which == 1 && jitter.contrast > 0) adjust_contrast(image, contrast);
    if (which == 2 && jitter.saturation > 0) adjust_saturation(image, saturation);
    if (which == 3 && jitter.hue > 0) adjust_hue(image, turn);
  }
}

std::array<float, 3> draw(const Lighting& lighting, Random& draws) {
  constexpr float values[3] = {0.2175f, 0.0188f, 0.0045f};  // of the covariance of RGB
  constexpr float vectors[3][3] = {
      {-0.5675f, 0.7192f, 0.4009f}, {-0.5808f, -0.0045f, -0.8140f}, {-0.5836f, -0.6948f, 0.4203f}};
  std::array<float, 3> shift{};
  for (int direction = 0; direction < 3; ++direction) {
    const float amount = lighting.std * draws.normal() * values[direction];
    for (int c = 0; c < 3; ++c) shift[c] += vectors[c][direction] * amount;
  }
  return shift;
}

}  // namespace convoy
