// Evaluation of weights from a bare file, and what was guessed for each sample.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "ops/core/file.h"
#include "ops/core/log.h"
#include "tests/trainer/evaluated.h"
#include "tests/trainer/temporary_folder.h"
#include "tests/trainer/tiny_data.h"
#include "trainer/session.h"
#include "trainer/together.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// A short run, whose weights are then evaluated.
class EvaluateTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    set_quiet(true);
    folder_ = new TemporaryFolder;
    test::make_tiny_data(folder_->path() / "data", 50, 23);
    const Config config = parse_config(
        "{steps: 12, model: {name: resnet8}, data: {channels: 1}, log_every_steps: 6, "
        "threads: 1, batch: {global: 16, lanes: 2}, evaluation: {batch: 5}, "
        "optimizer: {lr: 0.05}, checkpoint: {every_epochs: 0}}",
        "test",
        {"data.path=" + (folder_->path() / "data").string(),
         "run_folder=" + (folder_->path() / "run").string()});
    test::on_ranks(1, [&](Communicator& communicator) { train(config, communicator); });
  }
  static void TearDownTestSuite() { delete folder_; }

  static fs::path run() { return folder_->path() / "run"; }
  static EvaluationRequest of_weights() {
    return {.trained = {.source = run() / "config.yaml",
                        .weights = {run() / "checkpoints" / "step-00000012" / "model.safetensors"}},
            .threads = 1};
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* EvaluateTest::folder_ = nullptr;

TEST_F(EvaluateTest, AFileOfWeightsIsAsGoodAsItsCheckpoint) {
  const EvaluationReport checkpoint = test::evaluated({.trained = {.source = run()}, .threads = 1});
  const EvaluationReport file = test::evaluated(of_weights());
  EXPECT_EQ(file.result.loss, checkpoint.result.loss);
  EXPECT_EQ(file.result.confusion, checkpoint.result.confusion);
  EXPECT_EQ(file.members[0].checkpoint.filename(), "model.safetensors");
  EXPECT_EQ(file.members[0].step, 0u);
  EXPECT_TRUE(file.result.guesses.empty());
}

TEST_F(EvaluateTest, GuessesAgreeWithTheCountsOnAnyRanks) {
  EvaluationRequest request = of_weights();
  request.guesses = true;
  for (const int ranks : {1, 3}) {
    const EvaluationReport report = test::evaluated(request, ranks);
    ASSERT_EQ(report.result.guesses.size(), 23u);
    ASSERT_EQ(report.sample_names.size(), 23u);
    std::uint64_t hits = 0;
    for (const Guesses& sample : report.result.guesses) {
      hits += sample.classes[0].label == sample.label;
      for (int i = 1; i < 4; ++i) {
        EXPECT_GE(sample.classes[i - 1].score, sample.classes[i].score);
      }
    }
    EXPECT_EQ(hits, report.result.top1);
    EXPECT_GT(hits, 0u);

    std::istringstream table(guess_table(report.result, report.sample_names, report.class_names));
    std::string line;
    std::getline(table, line);
    EXPECT_EQ(line,
              "sample\tlabel\tclass 1\tlogit 1\tclass 2\tlogit 2\tclass 3\tlogit 3\tclass 4\t"
              "logit 4");
    int lines = 0;
    while (std::getline(table, line)) {
      EXPECT_EQ(std::ranges::count(line, '\t'), 9);
      EXPECT_TRUE(line.starts_with(report.sample_names[lines++] + "\t")) << line;
    }
    EXPECT_EQ(lines, 23);
  }
}

TEST_F(EvaluateTest, SamplesThatAreSkippedHaveNoGuesses) {
  const fs::path damaged = folder_->path() / "damaged";
  test::copy_damaged(folder_->path() / "data", damaged);
  EvaluationRequest request = of_weights();
  request.guesses = true;
  request.trained.overrides = {"data.path=" + damaged.string(), "data.bad_samples=skip"};
  const EvaluationReport report = test::evaluated(request, 2);
  EXPECT_EQ(report.result.samples, 22u);
  EXPECT_EQ(report.result.guesses.at(7).label, -1);
  const std::string table = guess_table(report.result, report.sample_names, report.class_names);
  EXPECT_EQ(std::ranges::count(table, '\n'), 1 + 22);
  EXPECT_EQ(table.find("\n" + report.sample_names[7] + "\t"), std::string::npos);
}

TEST_F(EvaluateTest, SettingsMayBeOverridden) {
  EvaluationRequest request = of_weights();
  const double before = test::evaluated(request).result.loss;
  request.trained.overrides = {"data.mean=[0.9]"};
  EXPECT_NE(test::evaluated(request).result.loss, before);
  EvaluationRequest checkpoint{.trained = {.source = run(), .overrides = request.trained.overrides},
                               .threads = 1};
  EXPECT_EQ(test::evaluated(checkpoint).result.loss, test::evaluated(request).result.loss);
}

TEST_F(EvaluateTest, WeightsNeedToKnowTheirPixelsAndTheirModel) {
  EvaluationRequest request = of_weights();
  request.trained.overrides = {"data.mean=[]"};
  EXPECT_EQ(test::refusal(request),
            fmt::format("78 {}: data.mean and data.std: missing, expected those that {} was "
                        "trained with",
                        request.trained.source.string(), request.trained.weights[0].string()));
  request.trained.overrides = {"model.name=resnet20"};
  EXPECT_TRUE(test::refusal(request).starts_with("65 " + request.trained.weights[0].string() +
                                                 ": does not fit this model; "))
      << test::refusal(request);
  request.trained.overrides = {"model.classes=5"};
  EXPECT_TRUE(test::refusal(request).ends_with("has 4 classes, expected the 5 of the model"))
      << test::refusal(request);
  EXPECT_TRUE(test::refusal({.trained = {.source = request.trained.source}})
                  .ends_with("say which weights to take"))
      << test::refusal({.trained = {.source = request.trained.source}});
}

}  // namespace
}  // namespace convoy
