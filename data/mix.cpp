#include "data/mix.h"

#include <algorithm>
#include <cmath>

#include "ops/core/random.h"

namespace convoy {
namespace {

double open_uniform(Random& draws) {
  return (static_cast<double>(draws()) + 0.5) * 0x1.0p-32;
}

// The logarithm of a Gamma(shape, 1) draw: Marsaglia and Tsang, "A simple method for generating
// gamma variables" (2000). As a logarithm it does not underflow where the shape is small.
double log_gamma_draw(double shape, Random& draws) {
  if (shape < 1) {
    const double boost = std::log(open_uniform(draws)) / shape;
    return log_gamma_draw(shape + 1, draws) + boost;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = draws.normal();
    const double v = std::pow(1 + c * x, 3);
    if (v <= 0) continue;
    if (std::log(open_uniform(draws)) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return std::log(d) + std::log(v);
    }
  }
}

double beta_draw(double alpha, Random& draws) {
  const double x = log_gamma_draw(alpha, draws);
  const double y = log_gamma_draw(alpha, draws);
  return 1 / (1 + std::exp(y - x));
}

// A box of 1 - share of the pixels around a random one, cut off at the border.
Rect draw_box(double share, int height, int width, Random& draws) {
  const int x = static_cast<int>(draws.below(width));
  const int y = static_cast<int>(draws.below(height));
  const double half = 0.5 * std::sqrt(1 - share);
  const int half_width = static_cast<int>(half * width);
  const int half_height = static_cast<int>(half * height);
  return intersection({y - half_height, x - half_width, 2 * half_height, 2 * half_width},
                      {0, 0, height, width});
}

void blend(std::span<float> own, std::span<const float> partner, double share) {
  const auto kept = static_cast<float>(share);
  const auto given = static_cast<float>(1 - share);
  for (std::size_t i = 0; i < own.size(); ++i) own[i] = partner[i] * given + own[i] * kept;
}

void paste(std::span<float> own, std::span<const float> partner, const Shape& image,
           const Rect& box) {
  for (std::int64_t c = 0; c < image[0]; ++c) {
    for (int y = box.top; y < box.bottom(); ++y) {
      const auto first = static_cast<std::ptrdiff_t>((c * image[1] + y) * image[2] + box.left);
      std::copy_n(partner.begin() + first, box.width, own.begin() + first);
    }
  }
}

}  // namespace

Mix draw_mix(const MixSettings& settings, std::uint64_t seed, std::uint64_t step, int height,
             int width) {
  if (!settings.on()) return {};
  Random draws(seed, RandomUse::mix, step);
  if (draws.uniform() >= settings.probability) return {};
  const bool both = settings.mixup > 0 && settings.cutmix > 0;
  const bool cut = draws.uniform() < settings.cutmix_share;
  if (both ? cut : settings.cutmix > 0) {
    const Rect box = draw_box(beta_draw(settings.cutmix, draws), height, width, draws);
    const double pasted = static_cast<double>(box.height) * box.width;
    return {1 - pasted / (static_cast<double>(height) * width), box};
  }
  return {beta_draw(settings.mixup, draws), std::nullopt};
}

void mix_rows(const Mix& mix, const MixRows& all) {
  const auto rows = static_cast<std::ptrdiff_t>(all.labels.size()) - 1;
  const auto pixels = static_cast<std::size_t>(all.image.elements());
  const std::size_t classes = all.soft_labels.size() / rows;
  // From the last row on, so that each partner is still itself.
  for (std::ptrdiff_t row = rows - 1; row >= 0; --row) {
    const std::ptrdiff_t before = row > 0 ? row - 1 : rows;
    const std::span<float> target = all.soft_labels.subspan(row * classes, classes);
    std::ranges::fill(target, 0.0f);
    std::int32_t& label = all.labels[row];
    const std::int32_t partner = all.labels[before];
    if (label < 0) continue;
    const double share = partner < 0 ? 1 : mix.share;
    target[label] = static_cast<float>(share);
    if (share == 1) continue;
    const std::span<float> own = all.images.subspan(row * pixels, pixels);
    const std::span<const float> other = all.images.subspan(before * pixels, pixels);
    if (mix.box) {
      paste(own, other, all.image, *mix.box);
    } else {
      blend(own, other, mix.share);
    }
    target[partner] += static_cast<float>(1 - share);
    if (share < 0.5) label = partner;
  }
}

}  // namespace convoy
