// Evaluation by several views of each sample and by several networks: the mean of their
// probabilities, the same on any number of ranks.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "ops/core/log.h"
#include "tests/trainer/evaluated.h"
#include "tests/trainer/temporary_folder.h"
#include "tests/trainer/tiny_data.h"
#include "trainer/session.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr int classes = 4;
constexpr int samples = 23;
using Probabilities = std::vector<std::array<double, classes>>;  // by sample

// Two checkpoints of one run on images of 8 x 8.
class AveragingTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    set_quiet(true);
    folder_ = new TemporaryFolder;
    test::make_tiny_data(folder_->path() / "data", 50, samples);
    train_run("run", "data", {});
  }
  static void TearDownTestSuite() { delete folder_; }

  static EvaluationResult train_run(const std::string& name, const std::string& data,
                                    std::vector<std::string> overrides) {
    overrides.push_back("data.path=" + (folder_->path() / data).string());
    overrides.push_back("run_folder=" + (folder_->path() / name).string());
    const Config config = parse_config(
        "{steps: 12, model: {name: resnet8}, data: {channels: 1, evaluate: [center_crop: {size: "
        "6}]}, threads: 1, batch: {global: 16, lanes: 2}, evaluation: {batch: 5}, optimizer: {lr: "
        "0.05}, checkpoint: {every_epochs: 0, every_steps: 6}}",
        "test", overrides);
    EvaluationResult last;
    test::on_ranks(
        1, [&](Communicator& communicator) { last = *train(config, communicator).evaluation; });
    return last;
  }
  static fs::path run(const std::string& name = "run") { return folder_->path() / name; }
  static fs::path early() { return run() / "checkpoints" / "step-00000006"; }
  static fs::path late() { return run() / "checkpoints" / "step-00000012"; }

  static EvaluationReport evaluated(EvaluationRequest request, int ranks = 1) {
    request.guesses = true;
    if (request.threads == 0) request.threads = 1;
    return test::evaluated(request, ranks);
  }

  static Probabilities probabilities_of(const EvaluationReport& report) {
    Probabilities all(samples);
    for (int sample = 0; sample < samples; ++sample) {
      double total = 0;
      for (int i = 0; i < classes; ++i) {
        const Guess& guess = report.result.guesses[sample].classes[i];
        total += all[sample][guess.label] = std::exp(double{guess.score});
      }
      for (double& p : all[sample]) p /= total;
    }
    return all;
  }
  static Probabilities mean(const std::vector<Probabilities>& all) {
    Probabilities result(samples);
    for (const Probabilities& one : all) {
      for (int sample = 0; sample < samples; ++sample) {
        for (int c = 0; c < classes; ++c) {
          result[sample][c] += one[sample][c] / static_cast<double>(all.size());
        }
      }
    }
    return result;
  }
  static void expect_mean(const EvaluationReport& report, const std::vector<Probabilities>& parts) {
    const Probabilities expected = mean(parts);
    const Probabilities found = probabilities_of(report);
    double loss = 0;
    for (int sample = 0; sample < samples; ++sample) {
      for (int c = 0; c < classes; ++c) {
        EXPECT_NEAR(found[sample][c], expected[sample][c], 1e-6) << sample;
      }
      loss -= std::log(expected[sample][report.result.guesses[sample].label]) / samples;
    }
    EXPECT_NEAR(report.result.loss, loss, 1e-6);
    EXPECT_EQ(report.result.averaged, static_cast<int>(parts.size()));
  }
  static Probabilities of_view(const std::string& transforms) {
    return probabilities_of(
        evaluated({.trained = {.source = late(), .overrides = {"data.evaluate=" + transforms}}}));
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* AveragingTest::folder_ = nullptr;

void expect_same(const EvaluationReport& a, const EvaluationReport& b) {
  EXPECT_EQ(a.result.loss, b.result.loss);
  EXPECT_EQ(a.result.confusion, b.result.confusion);
  for (std::size_t i = 0; i < a.result.guesses.size(); ++i) {
    for (int c = 0; c < classes; ++c) {
      EXPECT_EQ(a.result.guesses[i].classes[c].score, b.result.guesses[i].classes[c].score);
    }
  }
}

TEST_F(AveragingTest, CropsAreTorchvisions) {
  std::vector<Probabilities> parts;
  for (const std::string flip : {"", "flip: {probability: 1}, "}) {
    for (const std::string corner :
         {"top_left", "top_right", "bottom_left", "bottom_right", "center"}) {
      parts.push_back(of_view("[" + flip + "corner_crop: {size: 6, corner: " + corner + "}]"));
    }
  }
  const auto with = [](const std::string& crops) {
    return evaluated({.trained = {.source = late(), .overrides = {"evaluation.crops=" + crops}}});
  };
  const EvaluationReport ten = with("ten");
  EXPECT_EQ(ten.views, 10);
  expect_mean(ten, parts);
  expect_mean(with("flip"),
              {parts[4], of_view("[center_crop: {size: 6}, flip: {probability: 1}]")});
  parts.resize(5);
  expect_mean(with("five"), parts);
}

TEST_F(AveragingTest, NetworksAreAveraged) {
  const Probabilities first = probabilities_of(evaluated({.trained = {.source = late()}}));
  const Probabilities second = probabilities_of(evaluated({.trained = {.source = early()}}));
  EXPECT_NE(first, second);
  const EvaluationReport both = evaluated({.trained = {.source = late(), .weights = {early()}}});
  expect_mean(both, {first, second});
  EXPECT_EQ(both.members[0].step, 12u);
  EXPECT_EQ(both.members[1].step, 6u);
  // The same from bare files, under the run's configuration.
  const EvaluationReport files = evaluated(
      {.trained = {.source = run() / "config.yaml",
                   .weights = {late() / "model.safetensors", early() / "model.safetensors"}}});
  expect_same(files, both);
  expect_same(evaluated({.trained = {.source = run(), .weights = {early() / "model.safetensors"}}}),
              both);
}

TEST_F(AveragingTest, NetworksMayDiffer) {
  train_run("deeper", "data", {"model.name=resnet20", "steps=6", "data.mean=[0.5]"});
  const EvaluationRequest mixed{
      .trained = {.source = late(), .weights = {run("deeper")}, .overrides = {"data.mean=[0.5]"}}};
  const EvaluationReport both = evaluated(mixed);
  expect_mean(both, {probabilities_of(evaluated(
                         {.trained = {.source = late(), .overrides = {"data.mean=[0.5]"}}})),
                     probabilities_of(evaluated({.trained = {.source = run("deeper")}}))});
  EXPECT_EQ(test::refusal({.trained = {.source = late(), .weights = {run("deeper")}}}),
            "78 " + (run("deeper") / "checkpoints/step-00000006").string() +
                ": prepares its images otherwise than " + late().string() + ": cannot be averaged");
}

TEST_F(AveragingTest, IsTheSameOnAnyRanks) {
  EvaluationRequest request{
      .trained = {.source = late(), .weights = {early()}, .overrides = {"evaluation.crops=ten"}}};
  const EvaluationReport alone = evaluated(request);
  EXPECT_EQ(alone.result.averaged, 20);
  for (const int ranks : {1, 2, 3, 7}) {
    for (const int threads : {1, 2, 3}) {
      request.threads = threads;
      expect_same(evaluated(request, ranks), alone);
    }
  }
}

TEST_F(AveragingTest, TrainingEvaluatesTheSame) {
  const EvaluationResult trained = train_run("crops", "data", {"evaluation.crops=five", "steps=6"});
  const EvaluationReport report = evaluated({.trained = {.source = run("crops")}});
  EXPECT_EQ(report.views, 5);
  EXPECT_EQ(report.result.loss, trained.loss);
  EXPECT_EQ(report.result.confusion, trained.confusion);
}

TEST_F(AveragingTest, RefusesWhatCannotBeAveraged) {
  const auto with = [](const std::vector<std::string>& overrides) {
    return test::refusal({.trained = {.source = late(), .overrides = overrides}});
  };
  EXPECT_EQ(with({"evaluation.crops=five", "data.evaluate=[]"}),
            "78 evaluation.crops: several crops take the place of a last center_crop, but "
            "data.evaluate has none there");
  const std::string small =
      with({"evaluation.crops=ten", "data.evaluate=[center_crop: {size: 9}]"});
  EXPECT_TRUE(small.starts_with("65 ") &&
              small.ends_with("is 8 x 8 pixels, smaller than the crop of 9"))
      << small;
  EXPECT_TRUE(with({"evaluation.crops=flip", "model.loss=squared_error"})
                  .ends_with("probabilities are averaged, expected model.loss softmax"));

  test::make_tiny_data(folder_->path() / "three", 30, 9, 3);
  train_run("three", "three", {"steps=6", "data.mean=[0.5]", "data.std=[0.2]"});
  const std::vector<std::string> alike = {"data.mean=[0.5]", "data.std=[0.2]"};
  const std::string other =
      test::refusal({.trained = {.source = late(), .weights = {run("three")}, .overrides = alike}});
  EXPECT_TRUE(other.ends_with("has 4 classes, expected the 3 of the training")) << other;
  const fs::path file = run("three") / "checkpoints/step-00000006/model.safetensors";
  const std::string bare =
      test::refusal({.trained = {.source = late(), .weights = {file}, .overrides = alike}});
  EXPECT_TRUE(bare.starts_with("65 " + file.string() + ": ")) << bare;
}

}  // namespace
}  // namespace convoy
