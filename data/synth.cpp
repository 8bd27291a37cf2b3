#include "data/synth.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>
#include <vector>

#include "data/figures.h"
#include "data/jpeg.h"
#include "data/parallel.h"
#include "ops/core/check.h"
#include "ops/core/file.h"
#include "ops/core/random.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using std::numbers::pi;

constexpr int jpeg_quality = 92;
constexpr int figures = 12;
constexpr std::array<std::string_view, 4> texture_names{"", "striped-", "chequered-", "dotted-"};
constexpr int kinds = figures * static_cast<int>(texture_names.size());
static_assert(max_synth_classes == kinds * (kinds + 1));

// What a class shows: figure kind % figures with texture kind / figures.
struct Content {
  int kind;
  std::optional<int> second;
};

Content content_of(int label) {
  if (label < kinds) return {label, std::nullopt};
  return {label % kinds, label / kinds - 1};
}

using Colour = std::array<float, 3>;  // RGB, 0 to 1

float luma(const Colour& colour) {
  return 0.299f * colour[0] + 0.587f * colour[1] + 0.114f * colour[2];
}

Colour blend(const Colour& a, const Colour& b, float share_of_b) {
  Colour mixed;
  for (int c = 0; c < 3; ++c) mixed[c] = a[c] + share_of_b * (b[c] - a[c]);
  return mixed;
}

Colour any_colour(Random& random) {
  return {random.uniform(), random.uniform(), random.uniform()};
}

// A colour whose brightness differs from those of all `others`.
Colour contrasting_colour(Random& random, std::initializer_list<Colour> others) {
  constexpr float contrast = 0.22f;
  constexpr int tries = 100;
  const auto differs = [&](const Colour& colour) {
    return std::all_of(others.begin(), others.end(), [&](const Colour& other) {
      return std::abs(luma(colour) - luma(other)) >= contrast;
    });
  };
  for (int i = 0; i < tries; ++i) {
    const Colour colour = any_colour(random);
    if (differs(colour)) return colour;
  }
  const Colour black{0, 0, 0};
  return differs(black) ? black : Colour{1, 1, 1};
}

// Share of the second colour: waves over the figure's own coordinates, cut off to bands, squares or
// dots with soft borders.
double texture_at(int texture, Point at, double phase) {
  constexpr double sharpness = 3;
  const double waves = (texture == 3 ? 3.5 : 2.5) * pi;
  const double x = std::sin(waves * at.x + phase);
  const double y = std::sin(waves * at.y + phase);
  const double wave = texture == 1 ? y : texture == 2 ? x * y : x + y - 0.7;
  return texture == 0 ? 0 : std::clamp(0.5 + sharpness * wave, 0.0, 1.0);
}

// One picture, drawn from the back to the front.
class Canvas {
 public:
  Canvas(int size, Random random)
      : size_(size), random_(random), pixels_(std::size_t(size) * size), coverage_(pixels_.size()) {
    paint_background();
  }

  // `radius` as a share of the image's size, `place` its centre.
  void paint(int kind, double radius, Point place) {
    const int texture = kind / figures;
    const Pose pose{.centre = {place.x * size_, place.y * size_},
                    .radius = radius * size_,
                    .angle = random_.uniform() * 2 * pi,
                    .stretch = random_.uniform(0.85f, 1.15f)};
    const Colour main = contrasting_colour(random_, {background_[0], background_[1]});
    const Colour other = contrasting_colour(random_, {main, background_[0], background_[1]});
    const double phase = random_.uniform() * 2 * pi;
    static const std::vector<Figure> all = all_figures();
    cover(all[kind % figures], pose, size_, coverage_);
    for (int i = 0; i < size_ * size_; ++i) {
      if (coverage_[i] == 0) continue;
      const Point at = pose.to_figure({i % size_ + 0.5, i / size_ + 0.5});
      const auto share = static_cast<float>(texture_at(texture, at, phase));
      pixels_[i] = blend(pixels_[i], blend(main, other, share), std::min(coverage_[i], 1.0f));
    }
  }

  // Noise, then 8 bits.
  void finish(Image& image) {
    image.reshape(size_, size_, 3);
    const float strength = random_.uniform(0.02f, 0.12f);
    for (std::size_t i = 0; i < pixels_.size(); ++i) {
      for (int c = 0; c < 3; ++c) {
        const float noise = random_.uniform() - random_.uniform();  // triangular
        const float value = std::clamp(pixels_[i][c] + strength * noise, 0.0f, 1.0f);
        image.pixels[3 * i + c] = static_cast<std::uint8_t>(std::lround(255 * value));
      }
    }
  }

  Random& random() { return random_; }

 private:
  // A gradient between two colours with a wave across it.
  void paint_background() {
    background_[0] = any_colour(random_);
    background_[1] = blend(background_[0], any_colour(random_), 0.5f);
    const float angle = random_.uniform() * static_cast<float>(2 * pi);
    const float wave_angle = random_.uniform() * static_cast<float>(2 * pi);
    const float waves = random_.uniform(1.0f, 5.0f) * static_cast<float>(2 * pi);
    const float strength = random_.uniform(0.0f, 0.1f);
    for (int i = 0; i < size_ * size_; ++i) {
      const float x = (static_cast<float>(i % size_) + 0.5f) / static_cast<float>(size_) - 0.5f;
      const float y = (static_cast<float>(i / size_) + 0.5f) / static_cast<float>(size_) - 0.5f;
      const float along = 0.5f + 0.7f * (x * std::cos(angle) + y * std::sin(angle));
      const float across = x * std::cos(wave_angle) + y * std::sin(wave_angle);
      pixels_[i] = blend(background_[0], background_[1], std::clamp(along, 0.0f, 1.0f));
      for (float& value : pixels_[i]) value += strength * std::sin(waves * across);
    }
  }

  int size_;
  Random random_;
  std::vector<Colour> pixels_;
  std::vector<float> coverage_;
  std::array<Colour, 2> background_{};
};

void check(const SynthOptions& options) {
  require(options.images > 0, ExitCode::usage, "images", "is {}, above 0 expected", options.images);
  require(options.classes > 0 && options.classes <= max_synth_classes, ExitCode::usage, "classes",
          "is {}, 1 to {} expected", options.classes, max_synth_classes);
  require(options.size >= 8 && options.size <= 4096, ExitCode::usage, "size",
          "is {}, 8 to 4096 pixels expected", options.size);
  require(options.threads > 0, ExitCode::usage, "threads", "is {}, above 0 expected",
          options.threads);
}

fs::path class_folder(const SynthOptions& options, std::uint64_t number) {
  return options.output / synth_class_name(static_cast<int>(number % options.classes));
}

void write_image(const SynthOptions& options, std::uint64_t number) {
  const fs::path path = class_folder(options, number) / fmt::format("{:06}.jpg", number);
  const std::vector<std::byte> bytes = encode_jpeg(synth_image(options, number), jpeg_quality);
  FileWriter file(path);
  try {
    file.write(bytes);
    file.close();
  } catch (...) {
    std::error_code ignored;
    fs::remove(path, ignored);
    throw;
  }
}

}  // namespace

std::string synth_class_name(int label) {
  static const std::vector<Figure> all = all_figures();
  const auto name = [&](int kind) {
    return fmt::format("{}{}", texture_names[kind / figures], all[kind % figures].name);
  };
  const Content content = content_of(label);
  return content.second ? name(content.kind) + "-with-" + name(*content.second)
                        : name(content.kind);
}

Image synth_image(const SynthOptions& options, std::uint64_t number) {
  const Content content = content_of(static_cast<int>(number % options.classes));
  Canvas canvas(options.size, Random(options.seed, RandomUse::synthesise, number));
  Random& random = canvas.random();
  if (content.second) {  // in opposite quarters
    const double angle = random.uniform() * 2 * pi;
    const double x = std::cos(angle);
    const double y = std::sin(angle);
    canvas.paint(content.kind, random.uniform(0.24f, 0.28f), {0.5 - 0.18 * x, 0.5 - 0.18 * y});
    canvas.paint(*content.second, random.uniform(0.13f, 0.16f), {0.5 + 0.3 * x, 0.5 + 0.3 * y});
  } else {
    const float radius = random.uniform(0.24f, 0.42f);
    const float reach = 0.5f - 0.9f * radius;
    canvas.paint(content.kind, radius,
                 {0.5 + random.uniform(-reach, reach), 0.5 + random.uniform(-reach, reach)});
  }
  Image image;
  canvas.finish(image);
  return image;
}

void synthesise(const SynthOptions& options) {
  check(options);
  const int folders = std::min(options.classes, options.images);
  for (int i = 0; i < folders; ++i) create_folder(class_folder(options, options.first + i));
  parallel_for(options.threads, options.images,
               [&](int, std::uint64_t i) { write_image(options, options.first + i); });
}

}  // namespace convoy
