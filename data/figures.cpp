#include "data/figures.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace convoy {
namespace {

using std::numbers::pi;
using Contour = std::vector<Point>;

constexpr int lines_per_pixel = 4;

// Points on circles of the given radii in turn, at equal angles.
Contour around(int points, const std::vector<double>& radii) {
  Contour contour;
  for (int i = 0; i < points; ++i) {
    const double angle = 2 * pi * i / points - pi / 2;
    const double radius = radii[i % radii.size()];
    contour.push_back({radius * std::cos(angle), radius * std::sin(angle)});
  }
  return contour;
}

Contour arc(Point centre, double radius, double from, double to) {
  constexpr int points = 24;
  Contour contour;
  for (int i = 0; i <= points; ++i) {
    const double angle = from + (to - from) * i / points;
    contour.push_back({centre.x + radius * std::cos(angle), centre.y + radius * std::sin(angle)});
  }
  return contour;
}

Contour box(double half_width, double half_height) {
  return {{-half_width, -half_height},
          {half_width, -half_height},
          {half_width, half_height},
          {-half_width, half_height}};
}

// The outer half circle, and back along a flatter arc.
Contour crescent() {
  Contour contour = arc({0.3, 0}, 1, pi / 2, 3 * pi / 2);
  const Contour inner = arc({1.1, 0}, std::hypot(0.8, 1), 3 * pi / 2 - 0.675, pi / 2 + 0.675);
  contour.insert(contour.end(), inner.begin(), inner.end());
  return contour;
}

}  // namespace

std::vector<Figure> all_figures() {
  return {
      {"disc", {around(48, {1})}},
      {"square", {box(0.75, 0.75)}},
      {"triangle", {around(3, {1})}},
      {"star", {around(10, {1, 0.4})}},
      {"cross",
       {{{-0.3, -1},
         {0.3, -1},
         {0.3, -0.3},
         {1, -0.3},
         {1, 0.3},
         {0.3, 0.3},
         {0.3, 1},
         {-0.3, 1},
         {-0.3, 0.3},
         {-1, 0.3},
         {-1, -0.3},
         {-0.3, -0.3}}}},
      {"ring", {around(48, {1}), around(48, {0.5})}},
      {"bar", {box(1, 0.28)}},
      {"crescent", {crescent()}},
      {"arrow", {{{-1, -0.22}, {0, -0.22}, {0, -0.8}, {1, 0}, {0, 0.8}, {0, 0.22}, {-1, 0.22}}}},
      {"hourglass", {{{-0.75, -0.85}, {0.75, -0.85}, {-0.75, 0.85}, {0.75, 0.85}}}},
      {"frame", {box(0.75, 0.75), box(0.4, 0.4)}},
      {"corner", {{{-0.8, -0.8}, {-0.2, -0.8}, {-0.2, 0.2}, {0.8, 0.2}, {0.8, 0.8}, {-0.8, 0.8}}}},
  };
}

Point Pose::to_image(Point figure) const {
  const double x = figure.x * stretch * radius;
  const double y = figure.y * radius;
  return {centre.x + x * std::cos(angle) - y * std::sin(angle),
          centre.y + x * std::sin(angle) + y * std::cos(angle)};
}

Point Pose::to_figure(Point image) const {
  const double x = image.x - centre.x;
  const double y = image.y - centre.y;
  return {(x * std::cos(angle) + y * std::sin(angle)) / (stretch * radius),
          (y * std::cos(angle) - x * std::sin(angle)) / radius};
}

// Four scan lines per pixel row; along a line the covered length is exact.
void cover(const Figure& figure, const Pose& pose, int size, std::span<float> coverage) {
  std::fill(coverage.begin(), coverage.end(), 0.0f);
  std::vector<Contour> contours = figure.contours;
  for (Contour& contour : contours) {
    for (Point& point : contour) point = pose.to_image(point);
  }
  std::vector<double> crossings;
  for (int line = 0; line < size * lines_per_pixel; ++line) {
    const double y = (line + 0.5) / lines_per_pixel;
    crossings.clear();
    for (const Contour& contour : contours) {
      for (std::size_t i = 0; i < contour.size(); ++i) {
        const Point& a = contour[i];
        const Point& b = contour[(i + 1) % contour.size()];
        if ((a.y <= y) == (b.y <= y)) continue;
        crossings.push_back(a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x));
      }
    }
    std::sort(crossings.begin(), crossings.end());
    float* row = coverage.data() + line / lines_per_pixel * size;
    for (std::size_t i = 0; i + 1 < crossings.size(); i += 2) {
      const double from = std::clamp(crossings[i], 0.0, static_cast<double>(size));
      const double to = std::clamp(crossings[i + 1], 0.0, static_cast<double>(size));
      for (int x = static_cast<int>(from); x < to; ++x) {
        const double length = std::min(x + 1.0, to) - std::max<double>(x, from);
        row[x] += static_cast<float>(length / lines_per_pixel);
      }
    }
  }
}

}  // namespace convoy
