// Synthetic images: figures of the right size and place, the same bytes for any number of threads,
// and errors that leave nothing half written.
#include "data/synth.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <numbers>
#include <set>

#include "data/figures.h"
#include "ops/core/check.h"
#include "ops/core/file.h"
#include "tests/data/images.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

class Synth : public testing::Test {
 protected:
  Synth() { fs::remove_all(folder_); }
  ~Synth() override { fs::remove_all(folder_); }

  SynthOptions options(const char* name) const {
    return {.output = folder_ / name, .images = 60, .classes = 10, .size = 32, .seed = 4};
  }
  // Path below the output -> bytes.
  std::map<std::string, std::string> make(const SynthOptions& options) const {
    synthesise(options);
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(options.output)) {
      if (!entry.is_regular_file()) continue;
      files[fs::relative(entry.path(), options.output)] = read_file(entry.path());
    }
    return files;
  }

  const fs::path folder_ =
      fs::temp_directory_path() / fmt::format("convoy-synth-test.{}", ::getpid());
};

TEST_F(Synth, SameBytesForAnyNumberOfThreads) {
  SynthOptions one = options("one");
  SynthOptions three = options("three");
  three.threads = 3;
  const auto files = make(one);
  EXPECT_EQ(files.size(), 60u);
  EXPECT_TRUE(files.contains("disc/000000.jpg"));
  EXPECT_TRUE(files.contains("hourglass/000059.jpg"));
  EXPECT_EQ(make(three), files);
}

TEST_F(Synth, ImagesDependOnTheirNumberAlone) {
  const auto whole = make(options("whole"));
  SynthOptions later = options("later");
  later.first = 25;
  later.images = 20;
  const auto files = make(later);
  EXPECT_EQ(files.size(), 20u);
  for (const auto& [name, bytes] : files) EXPECT_EQ(whole.at(name), bytes);
  SynthOptions other = options("other");
  other.seed = 5;
  for (const auto& [name, bytes] : make(other)) EXPECT_NE(whole.at(name), bytes);
}

TEST_F(Synth, ImagesAreDealtToTheClassesInTurnAndDiffer) {
  std::map<std::string, int> count;
  std::set<std::uint32_t> pictures;
  ImageDecoder decoder;
  Image image;
  for (const auto& [name, bytes] : make(options("train"))) {
    ++count[fs::path(name).parent_path()];
    decoder.decode(std::as_bytes(std::span(bytes)), name, image);
    EXPECT_EQ(image.height, 32);
    EXPECT_EQ(image.width, 32);
    EXPECT_EQ(image.channels, 3);
    pictures.insert(crc32c_of(image));
  }
  EXPECT_EQ(count.size(), 10u);
  for (const auto& [name, images] : count) EXPECT_EQ(images, 6) << name;
  EXPECT_EQ(pictures.size(), 60u);
}

TEST_F(Synth, ClassesHaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (int label = 0; label < max_synth_classes; ++label) names.insert(synth_class_name(label));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(max_synth_classes));
  EXPECT_TRUE(names.contains("striped-star"));
  EXPECT_TRUE(names.contains("dotted-ring-with-chequered-cross"));
  SynthOptions all = options("all");
  all.classes = all.images = max_synth_classes;
  all.size = 8;
  for (const int label : {0, 47, 48, max_synth_classes - 1}) {
    EXPECT_EQ(synth_image(all, label).pixels.size(), 8u * 8 * 3);
  }
}

std::string error_of(ExitCode code, const SynthOptions& options) {
  try {
    synthesise(options);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "no error";
}

TEST_F(Synth, NeverOverwrites) {
  const auto before = make(options("twice"));
  const std::string error = error_of(ExitCode::storage, options("twice"));
  EXPECT_NE(error.find("disc/000000.jpg: cannot create: File exists"), error.npos) << error;
  for (const auto& [name, bytes] : before) {
    EXPECT_EQ(read_file(folder_ / "twice" / name), bytes);
  }
}

TEST_F(Synth, UnwritableFoldersAreErrors) {
  fs::create_directories(folder_);
  std::ofstream(folder_ / "file") << "in the way";
  EXPECT_NE(error_of(ExitCode::storage, options("file/below")), "no error");
}

TEST_F(Synth, OptionsOutOfRangeAreErrors) {
  const auto with = [&](const std::function<void(SynthOptions&)>& change) {
    SynthOptions changed = options("never");
    change(changed);
    return error_of(ExitCode::usage, changed);
  };
  EXPECT_EQ(with([](auto& o) { o.images = 0; }), "images: is 0, above 0 expected");
  EXPECT_EQ(with([](auto& o) { o.classes = 2353; }), "classes: is 2353, 1 to 2352 expected");
  EXPECT_EQ(with([](auto& o) { o.classes = 0; }), "classes: is 0, 1 to 2352 expected");
  EXPECT_EQ(with([](auto& o) { o.size = 7; }), "size: is 7, 8 to 4096 pixels expected");
  EXPECT_EQ(with([](auto& o) { o.threads = 0; }), "threads: is 0, above 0 expected");
  EXPECT_FALSE(fs::exists(folder_ / "never"));
}

double area(const std::string& name, const Pose& pose, int size) {
  std::vector<float> coverage(size * size);
  for (const Figure& figure : all_figures()) {
    if (figure.name == name) cover(figure, pose, size, coverage);
  }
  double sum = 0;
  for (const float share : coverage) {
    EXPECT_GE(share, 0);
    EXPECT_LE(share, 1.0001);
    sum += share;
  }
  return sum;
}

TEST(Figures, CoverTheirArea) {
  const Pose pose{.centre = {40.3, 38.9}, .radius = 30, .angle = 0.7, .stretch = 1.1};
  const double unit = 30 * 30 * 1.1;
  EXPECT_NEAR(area("square", pose, 80), 1.5 * 1.5 * unit, 3);
  EXPECT_NEAR(area("disc", pose, 80), std::numbers::pi * unit, 15);  // of 48 corners
  EXPECT_NEAR(area("ring", pose, 80), 0.75 * std::numbers::pi * unit, 12);
  EXPECT_NEAR(area("cross", pose, 80), (4 * 0.6 - 0.36) * unit, 3);
  EXPECT_NEAR(area("triangle", pose, 80), 0.75 * std::sqrt(3) * unit, 3);
  EXPECT_NEAR(area("hourglass", pose, 80), 1.5 * 0.85 * unit, 3);
}

TEST(Figures, AreCutOffAtTheBorder) {
  EXPECT_NEAR(area("square", {.centre = {0, 0}, .radius = 20}, 32), 15 * 15, 1);
  EXPECT_NEAR(area("square", {.centre = {32, 16}, .radius = 12}, 32), 9 * 18, 1);
  EXPECT_EQ(area("disc", {.centre = {-50, 16}, .radius = 12}, 32), 0);
  EXPECT_NEAR(area("disc", {.centre = {16, 16}, .radius = 100}, 32), 32 * 32, 1e-3);
}

TEST(Figures, KeepToTheirCircle) {
  const auto figures = all_figures();
  EXPECT_EQ(figures.size(), 12u);
  for (const Figure& figure : figures) {
    for (const auto& contour : figure.contours) {
      for (const Point& point : contour) {
        EXPECT_LT(std::hypot(point.x, point.y), 1.15) << figure.name;
      }
    }
  }
}

TEST(Figures, PoseGoesThereAndBack) {
  const Pose pose{.centre = {3, 4}, .radius = 5, .angle = 1.2, .stretch = 0.9};
  const Point back = pose.to_figure(pose.to_image({0.3, -0.6}));
  EXPECT_NEAR(back.x, 0.3, 1e-12);
  EXPECT_NEAR(back.y, -0.6, 1e-12);
  EXPECT_NEAR(pose.to_image({0, 0}).x, 3, 1e-12);
}

}  // namespace
}  // namespace convoy
