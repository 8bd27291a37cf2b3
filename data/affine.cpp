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

void copy_pixel(const Image& from, std::int64_t x, std::int64_t y, std::uint8_t* out) {
  const int channels = from.channels;
  const std::uint8_t* pixel = from.pixels.data() + (y * from.width + x) * channels;
  for (int c = 0; c < channels; ++c) out[c] = pixel[c];
}

bool inside(const Image& image, std::int64_t x, std::int64_t y) {
  return x >= 0 && x < image.width && y >= 0 && y < image.height;
}

// Without rotation or shear Pillow adds up steps in floating point,
void scale_nearest(const Image& from, const AffineMatrix& m, Image& to) {
  double y_in = m[5] + m[4] * 0.5;
  for (int y = 0; y < to.height; ++y, y_in += m[4]) {
    double x_in = m[2] + m[0] * 0.5;
    for (int x = 0; x < to.width; ++x, x_in += m[0]) {
      const std::int64_t sx = pixel_at(x_in), sy = pixel_at(y_in);
      if (!inside(from, sx, sy)) continue;
      copy_pixel(from, sx, sy, &to.pixels[(std::size_t(y) * to.width + x) * to.channels]);
    }
  }
}

// otherwise in fixed point with 16 fractional bits. (Beyond 32,768 pixels it takes floating point
// again, where this does not.)
void warp_nearest(const Image& from, const AffineMatrix& m, Image& to) {
  const auto fixed = [](double x) {
    return static_cast<std::int64_t>(std::floor(x * 65536.0 + 0.5));
  };
  const std::int64_t right_x = fixed(m[0]), right_y = fixed(m[3]);
  const std::int64_t down_x = fixed(m[1]), down_y = fixed(m[4]);
  std::int64_t row_x = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5);
  std::int64_t row_y = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
  std::uint8_t* out = to.pixels.data();
  for (int y = 0; y < to.height; ++y, row_x += down_x, row_y += down_y) {
    std::int64_t x_in = row_x, y_in = row_y;
    for (int x = 0; x < to.width; ++x, x_in += right_x, y_in += right_y, out += to.channels) {
      if (inside(from, x_in >> 16, y_in >> 16)) copy_pixel(from, x_in >> 16, y_in >> 16, out);
    }
  }
}

// Between the centres of four pixels, in double; cut off, not rounded.
void sample_bilinear(const Image& from, double x_in, double y_in, std::uint8_t* out) {
  const int left = static_cast<int>(std::floor(x_in - 0.5));
  const int top = static_cast<int>(std::floor(y_in - 0.5));
  const double right_share = x_in - 0.5 - left, below_share = y_in - 0.5 - top;
  const int channels = from.channels;
  const auto at = [&](int x, int y, int c) {
    const auto row = std::ptrdiff_t(std::clamp(y, 0, from.height - 1)) * from.width;
    return int{from.pixels[(row + std::clamp(x, 0, from.width - 1)) * channels + c]};
  };
  for (int c = 0; c < channels; ++c) {
    const auto between = [&](int y) {
      const int a = at(left, y, c), b = at(left + 1, y, c);
      return a + (b - a) * right_share;
    };
    const double above = between(top);
    const double below = between(top + 1);
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
  } else if (matrix[1] == 0 && matrix[3] == 0) {
    scale_nearest(image, matrix, scratch);
  } else {
    warp_nearest(image, matrix, scratch);
  }
  std::swap(image, scratch);
}

}  // namespace convoy
