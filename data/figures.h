// Figures: the outlines that synthetic images show, and which share of each pixel they cover.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace convoy {

struct Point {
  double x = 0;
  double y = 0;
};

// Within 1.15 of the origin. A point is in the figure if a ray from it crosses an odd number of
// edges, so a contour within another is a hole.
struct Figure {
  std::string_view name;
  std::vector<std::vector<Point>> contours;
};

// Twelve of them, told apart at any angle.
std::vector<Figure> all_figures();

// Where and how a figure stands in an image; lengths in pixels.
struct Pose {
  Point centre;
  double radius = 1;
  double angle = 0;    // radians
  double stretch = 1;  // of the figure's own x axis

  Point to_image(Point figure) const;
  Point to_figure(Point image) const;
};

// Writes the covered share, 0 to 1, of each pixel of a `size` x `size` image.
void cover(const Figure& figure, const Pose& pose, int size, std::span<float> coverage);

}  // namespace convoy
