// Affine: rotation, shear, scale and translation, as torchvision has them on PIL images: the size
// stays, what comes in from outside is zero, and every pixel is Pillow's.
#pragma once

#include <array>

#include "data/image.h"
#include "ops/core/random.h"

namespace convoy {

enum class Interpolation { nearest, bilinear };

// Around the centre by up to `degrees` either way.
struct RandomRotation {
  float degrees = 10;
  Interpolation interpolation = Interpolation::nearest;
};

struct RandomAffine {
  float degrees = 0;      // rotation by up to so much either way
  float translate_x = 0;  // shift by up to this share of the width either way,
  float translate_y = 0;  //   and of the height
  float min_scale = 1;
  float max_scale = 1;
  float shear_x = 0;  // in degrees, up to so much either way: of rows,
  float shear_y = 0;  //   and of columns
  Interpolation interpolation = Interpolation::nearest;
};

// An output position (x, y) shows the source at (m0 x + m1 y + m2, m3 x + m4 y + m5), all counted
// in pixels from the corner of the image.
using AffineMatrix = std::array<double, 6>;

// Counter-clockwise around the centre.
AffineMatrix rotation(double degrees, int height, int width);

struct AffineParameters {
  double degrees = 0;  // clockwise
  int translate_x = 0;
  int translate_y = 0;
  double scale = 1;
  double shear_x = 0;  // degrees
  double shear_y = 0;
};
AffineMatrix affine_matrix(const AffineParameters& parameters, double centre_x, double centre_y);

AffineMatrix draw(const RandomRotation& transform, int height, int width, Random& draws);
AffineMatrix draw(const RandomAffine& transform, int height, int width, Random& draws);

void warp(Image& image, const AffineMatrix& matrix, Interpolation interpolation, Image& scratch);

}  // namespace convoy
