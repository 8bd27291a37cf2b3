// Prediction: image files get the classes that evaluation guesses for the same images in a data
// set.
#include "trainer/prediction.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "data/dataset.h"
#include "data/png.h"
#include "ops/core/log.h"
#include "tests/data/files.h"
#include "tests/trainer/evaluated.h"
#include "tests/trainer/temporary_folder.h"
#include "tests/trainer/tiny_data.h"
#include "trainer/session.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using test::expect_holds;

constexpr int samples = 23;
constexpr int classes = 4;

// A run, and the images of its validation split as files.
class PredictionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    set_quiet(true);
    folder_ = new TemporaryFolder;
    test::make_tiny_data(path("data"), 50, samples, classes);
    const Config config = parse_config(
        "{steps: 12, model: {name: resnet8}, data: {channels: 1, evaluate: [center_crop: {size: "
        "6}]}, threads: 1, batch: {global: 16, lanes: 2}, evaluation: {batch: 5}, optimizer: {lr: "
        "0.05}, checkpoint: {every_epochs: 0, every_steps: 6}}",
        "test", {"data.path=" + path("data"), "run_folder=" + path("run")});
    test::on_ranks(1, [&](Communicator& communicator) { train(config, communicator); });

    const Dataset dataset(path("data"), "validation");
    std::vector<std::byte> buffer;
    for (int i = 0; i < samples; ++i) {
      Image image;
      image.reshape(8, 8, 1);
      std::ranges::copy(dataset.read(i, buffer),
                        std::as_writable_bytes(std::span(image.pixels)).begin());
      write_text(fs::path(path("images")) / fmt::format("{:02}.png", i),
                 text_of(encode_png(image)));
    }
  }
  static void TearDownTestSuite() { delete folder_; }

  static std::string path(const std::string& name) { return (folder_->path() / name).string(); }
  static std::string image(int i) { return path("images") + fmt::format("/{:02}.png", i); }
  static PredictionRequest request(std::vector<std::string> overrides = {}) {
    return {.trained = {.source = path("run"), .overrides = std::move(overrides)},
            .images = {path("images")},
            .best = classes};
  }
  static fs::path early() { return fs::path(path("run")) / "checkpoints" / "step-00000006"; }

  // The same images in the same order, with the same probabilities by class.
  static void expect_like_evaluation(const PredictionRequest& request) {
    const EvaluationReport report =
        test::evaluated({.trained = request.trained, .guesses = true, .threads = 1});
    const std::vector<Prediction> predictions = predict(request);
    ASSERT_EQ(predictions.size(), std::size_t{samples});
    for (int i = 0; i < samples; ++i) {
      EXPECT_EQ(predictions[i].image, image(i));
      ASSERT_EQ(predictions[i].classes.size(), std::size_t{classes});
      const auto& guesses = report.result.guesses[i].classes;
      double sum = 0;  // logits' softmax; of logarithms of probabilities, themselves
      for (int c = 0; c < classes; ++c) sum += std::exp(double{guesses[c].score});
      for (int c = 0; c < classes; ++c) {
        EXPECT_EQ(predictions[i].classes[c].number, guesses[c].label);
        EXPECT_EQ(predictions[i].classes[c].name, report.class_names[guesses[c].label]);
        EXPECT_NEAR(predictions[i].classes[c].probability, std::exp(guesses[c].score) / sum, 1e-5);
      }
    }
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* PredictionTest::folder_ = nullptr;

TEST_F(PredictionTest, FindsWhatEvaluationDoes) {
  expect_like_evaluation(request());
}

TEST_F(PredictionTest, AveragesViewsAndNetworks) {
  expect_like_evaluation(request({"evaluation.crops=ten"}));
  PredictionRequest two = request();
  two.trained.weights = {early()};
  expect_like_evaluation(two);
}

TEST_F(PredictionTest, IsTheSameWithAnyThreads) {
  const std::vector<Prediction> expected = predict(request());
  for (const int threads : {2, 5, 40}) {
    PredictionRequest by_more = request();
    by_more.threads = threads;
    const std::vector<Prediction> found = predict(by_more);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i].image, expected[i].image);
      EXPECT_EQ(found[i].classes[0].number, expected[i].classes[0].number);
      EXPECT_NEAR(found[i].classes[0].probability, expected[i].classes[0].probability, 1e-6);
    }
  }
}

TEST_F(PredictionTest, KeepsTheOrderOfTheRequest) {
  PredictionRequest some = request();
  some.images = {image(7), path("images"), image(3)};
  some.best = 2;
  const std::vector<Prediction> found = predict(some);
  ASSERT_EQ(found.size(), std::size_t{samples + 2});
  EXPECT_EQ(found.front().image, image(7));
  EXPECT_EQ(found[1].image, image(0));
  EXPECT_EQ(found.back().image, image(3));
  EXPECT_EQ(found[0].classes.size(), 2u);
  EXPECT_NEAR(found.front().classes[0].probability, found[8].classes[0].probability, 1e-6);
}

TEST_F(PredictionTest, NamesClassesByNumberWhereNothingKnowsThem) {
  PredictionRequest bare = request({"model.classes=4"});
  bare.trained.source = fs::path(path("run")) / "config.yaml";
  bare.trained.weights = {early() / "model.safetensors"};
  const Prediction found = predict(bare).front();
  EXPECT_EQ(found.classes[0].name, std::to_string(found.classes[0].number));
  bare.data = path("data");
  EXPECT_EQ(predict(bare).front().classes[0].number, found.classes[0].number);
}

TEST_F(PredictionTest, OfWhatCannotBeIsAnError) {
  const auto error_of = [](ExitCode code, const PredictionRequest& request) {
    return convoy::error_of(code, [&] { predict(request); });
  };
  PredictionRequest wrong = request();
  write_text(path("notes.txt"), "not an image");
  wrong.images = {image(0), path("notes.txt")};
  expect_holds(error_of(ExitCode::data, wrong), {"notes.txt"});
  wrong.images = {image(0), path("none.png")};
  expect_holds(error_of(ExitCode::data, wrong), {"none.png"});
  fs::create_directories(path("empty"));
  wrong.images = {path("empty")};
  expect_holds(error_of(ExitCode::data, wrong), {"holds no files"});
  wrong.images = {};
  expect_holds(error_of(ExitCode::usage, wrong), {"no images"});

  test::make_tiny_data(path("other"), 12, 12, 3);
  PredictionRequest other = request();
  other.data = path("other");
  expect_holds(error_of(ExitCode::data, other), {"other", "classes"});
  EXPECT_NE(error_of(ExitCode::config, request({"model.loss=squared_error"})), "");
}

}  // namespace
}  // namespace convoy
