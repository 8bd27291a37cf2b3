#include "data/affine.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>

namespace convoy {
namespace {

double radians(double degrees) {
  return degrees * (std::numbers::pi / 180);
}

// To 15 decimals, as Python's round().
double rounded(double x) {
  std::array<char, 32> text;
  const auto end = fmt::format_to_n(text.data(), text.size(), "{:.15f}", x).out;
  double value = 0;
  std::from_chars(text.data(), end, value);
  return value;
}

// The pixel that a position lies in; -1 for all before the first.
std::int64_t pixel_at(double position) {
  return position < 0 ? -1 : static_cast<std::int64_t>(position);
}

// The source, by value: what is written to bytes could otherwise have changed it.
template <int channels>
struct Source {
  explicit Source(const Image& image)
      : pixels(image.pixels.data()), height(image.height), width(image.width) {}

  void copy(std::int64_t x, std::int64_t y, std::uint8_t* out) const {
    if (x < 0 || x >= width || y < 0 || y >= height) return;
    const std::uint8_t* pixel = pixels + (y * width + x) * channels;
    for (int c = 0; c < channels; ++c) out[c] = pixel[c];
  }

  const std::uint8_t* pixels;
  std::int64_t height, width;
};

// Without rotation or shear Pillow adds up steps in floating point,
template <int channels>
void scale_nearest(const Source<channels> from, const AffineMatrix m, std::uint8_t* out) {
  double y_in = m[5] + m[4] * 0.5;
  for (std::int64_t y = 0; y < from.height; ++y, y_in += m[4]) {
    const std::int64_t row = pixel_at(y_in);
    double x_in = m[2] + m[0] * 0.5;
    for (std::int64_t x = 0; x < from.width; ++x, x_in += m[0], out += channels) {
      from.copy(pixel_at(x_in), row, out);
    }
  }
}

// otherwise in fixed point with 16 fractional bits. (Beyond 32,768 pixels it takes floating point
// again, where this does not.)
template <int channels>
void step_nearest(const Source<channels> from, const AffineMatrix m, std::uint8_t* out) {
  const auto fixed = [](double x) {
    return static_cast<std::int64_t>(std::floor(x * 65536.0 + 0.5));
  };
  const std::int64_t right_x = fixed(m[0]), right_y = fixed(m[3]);
  const std::int64_t down_x = fixed(m[1]), down_y = fixed(m[4]);
  std::int64_t row_x = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5);
  std::int64_t row_y = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
  for (std::int64_t y = 0; y < from.height; ++y, row_x += down_x, row_y += down_y) {
    std::int64_t x_in = row_x, y_in = row_y;
    for (std::int64_t x = 0; x < from.width; ++x, out += channels) {
      from.copy(x_in >> 16, y_in >> 16, out);
      x_in += right_x;
      y_in += right_y;
    }
  }
}

template <int channels>
void warp_nearest(const Image& from, const AffineMatrix& m, Image& to) {
  const Source<channels> source(from);
  const bool straight = m[1] == 0 && m[3] == 0;
  (straight ? scale_nearest<channels> : step_nearest<channels>)(source, m, to.pixels.data());
}

int floor_of(double x) {
  const int whole = static_cast<int>(x);
  return whole - (x < whole);
}

// Between the centres of four pixels, in double; cut off, not rounded.
void sample_bilinear(const Image& from, double x_in, double y_in, std::uint8_t* out) {
  const int left = floor_of(x_in - 0.5);
  const int top = floor_of(y_in - 0.5);
  const double right_share = x_in - 0.5 - left, below_share = y_in - 0.5 - top;
  const int channels = from.channels;
  const auto row = [&](int y) {
    return from.pixels.data() +
           std::ptrdiff_t(std::clamp(y, 0, from.height - 1)) * from.width * channels;
  };
  const std::uint8_t *upper = row(top), *lower = row(top + 1);
  const int a = std::clamp(left, 0, from.width - 1) * channels;
  const int b = std::clamp(left + 1, 0, from.width - 1) * channels;
  for (int c = 0; c < channels; ++c) {
    const double above = upper[a + c] + (upper[b + c] - upper[a + c]) * right_share;
    const double below = lower[a + c] + (lower[b + c] - lower[a + c]) * right_share;
    out[c] = static_cast<std::uint8_t>(above + (below - above) * below_share);
  }
}

void warp_bilinear(const Image& from, const AffineMatrix& m, Image& to) {
  std::uint8_t* out = to.pixels.data();
  for (int y = 0; y < to.height; ++y) {
    for (int x = 0; x < to.width; ++x, out += to.channels) {
      const double x_in = m[0] * (x + 0.5) + m[1] * (y + 0.5) + m[2];
      const double y_in = m[3] * (x + 0.5) + m[4] * (y + 0.5) + m[5];
      if (x_in < 0 || x_in >= from.width || y_in < 0 || y_in >= from.height) continue;
      sample_bilinear(from, x_in, y_in, out);
    }
  }
}

}  // namespace

AffineMatrix rotation(double degrees, int height, int width) {
  double turn = std::fmod(degrees, 360.0);
  if (turn < 0) turn += 360.0;
  const double angle = -radians(turn);
  const double cosine = rounded(std::cos(angle)), sine = rounded(std::sin(angle));
  const double negative_sine = rounded(-std::sin(angle));
  const double x = width / 2.0, y = height / 2.0;
  return {cosine,        sine,   cosine * -x + sine * -y + 0.0 + x,
          negative_sine, cosine, negative_sine * -x + cosine * -y + 0.0 + y};
}

AffineMatrix affine_matrix(const AffineParameters& parameters, double centre_x, double centre_y) {
  const double turn = radians(parameters.degrees);
  const double sx = radians(parameters.shear_x), sy = radians(parameters.shear_y);
  const double a = std::cos(turn - sy) / std::cos(sy);
  const double b = -std::cos(turn - sy) * std::tan(sx) / std::cos(sy) - std::sin(turn);
  const double c = std::sin(turn - sy) / std::cos(sy);
  const double d = -std::sin(turn - sy) * std::tan(sx) / std::cos(sy) + std::cos(turn);
  AffineMatrix m{d, -b, 0.0, -c, a, 0.0};  // the inverse: the determinant is 1
  for (double& x : m) x /= parameters.scale;
  const double x = -centre_x - parameters.translate_x, y = -centre_y - parameters.translate_y;
  m[2] += m[0] * x + m[1] * y;
  m[5] += m[3] * x + m[4] * y;
  m[2] += centre_x;
  m[5] += centre_y;
  return m;
}

AffineMatrix draw(const RandomRotation& transform, int height, int width, Random& draws) {
  return rotation(draws.uniform(-transform.degrees, transform.degrees), height, width);
}

AffineMatrix draw(const RandomAffine& transform, int height, int width, Random& draws) {
  const auto either_way = [&](float most) { return draws.uniform(-most, most); };
  AffineParameters p;
  p.degrees = either_way(transform.degrees);
  const auto columns = static_cast<float>(width), rows = static_cast<float>(height);
  p.translate_x = static_cast<int>(std::nearbyint(either_way(transform.translate_x * columns)));
  p.translate_y = static_cast<int>(std::nearbyint(either_way(transform.translate_y * rows)));
  p.scale = draws.uniform(transform.min_scale, transform.max_scale);
  p.shear_x = either_way(transform.shear_x);
  p.shear_y = either_way(transform.shear_y);
  return affine_matrix(p, width * 0.5, height * 0.5);
}

void warp(Image& image, const AffineMatrix& matrix, Interpolation interpolation, Image& scratch) {
  scratch.reshape(image.height, image.width, image.channels);
  std::ranges::fill(scratch.pixels, std::uint8_t{0});
  if (interpolation == Interpolation::bilinear) {
    warp_bilinear(image, matrix, scratch);
  } else {
    (image.channels == 3 ? warp_nearest<3> : warp_nearest<1>)(image, matrix, scratch);
  }
  std::swap(image, scratch);
}

}  // namespace convoy
