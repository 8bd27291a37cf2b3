// The whole trainer with ranks as threads: one seed gives one result on any number of ranks and
// threads, stopped and resumed or not; and evaluation is exact.
#include "trainer/session.h"

#include <map>

#include "tests/trainer/session_fixture.h"
#include "trainer/checkpoint.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

using test::SessionTest;

bool operator==(const EvaluationResult& a, const EvaluationResult& b) {
  return a.samples == b.samples && a.loss == b.loss && a.top1 == b.top1 && a.top5 == b.top5 &&
         a.confusion == b.confusion;
}

TEST_F(SessionTest, OneSeedGivesOneResultOnAnyRanksAndThreads) {
  const TrainingOutcome expected = train_on(1, config("alone", {"log_every_steps=1"}));
  EXPECT_EQ(expected.steps, 12u);
  EXPECT_EQ(losses_of("alone").size(), 12u + 4u);
  EXPECT_FALSE(expected.stopped);
  ASSERT_TRUE(expected.evaluation.has_value());
  EXPECT_EQ(expected.evaluation->samples, 23u);

  struct Variant {
    int ranks, threads, loader_threads;
  };
  for (const Variant v :
       {Variant{1, 2, 3}, {1, 4, 1}, {2, 1, 1}, {2, 2, 3}, {3, 1, 3}, {3, 2, 1}, {4, 1, 1}}) {
    const std::string name = fmt::format("r{}t{}l{}", v.ranks, v.threads, v.loader_threads);
    const TrainingOutcome outcome =
        train_on(v.ranks, config(name, {"log_every_steps=1", fmt::format("threads={}", v.threads),
                                        fmt::format("data.loader_threads={}", v.loader_threads)}));
    EXPECT_TRUE(bytes_of(name) == bytes_of("alone")) << name;
    EXPECT_EQ(losses_of(name), losses_of("alone")) << name;
    EXPECT_TRUE(*outcome.evaluation == *expected.evaluation) << name;
  }
}

TEST_F(SessionTest, MixingGivesOneResultOnAnyRanks) {
  const std::vector<std::string> mixing = {"data.mix={mixup: 0.4, cutmix: 1, probability: 0.8}",
                                           "model.label_smoothing=0.1"};
  train_on(1, config("unmixed", {"model.label_smoothing=0.1"}));
  train_on(1, config("mixed1", mixing));
  EXPECT_FALSE(bytes_of("mixed1") == bytes_of("unmixed"));
  for (const int ranks : {2, 3, 4}) {
    const std::string name = fmt::format("mixed{}", ranks);
    std::vector<std::string> overrides = mixing;
    overrides.push_back(fmt::format("data.loader_threads={}", ranks));
    train_on(ranks, config(name, overrides));
    EXPECT_TRUE(bytes_of(name) == bytes_of("mixed1")) << ranks << " ranks";
    EXPECT_EQ(losses_of(name), losses_of("mixed1")) << ranks << " ranks";
  }
}

TEST_F(SessionTest, RecomputationGivesTheSameResult) {
  train_on(1, config("kept"));
  train_on(2, config("recomputed", {"memory=recompute"}));
  EXPECT_TRUE(bytes_of("recomputed") == bytes_of("kept"));
}

TEST_F(SessionTest, SynchronisedNormGivesOneResultOnAnyRanks) {
  const std::string synchronised = "model.synchronised_norm=true";
  train_on(1, config("apart"));
  train_on(1, config("sync1", {synchronised}));
  EXPECT_FALSE(bytes_of("sync1") == bytes_of("apart"));
  for (const int ranks : {2, 3, 4}) {
    const std::string name = fmt::format("sync{}", ranks);
    train_on(ranks, config(name, {synchronised}));
    EXPECT_TRUE(bytes_of(name) == bytes_of("sync1")) << ranks << " ranks";
  }
}

// Deeper networks: fused and depthwise convolutions, Winograd's algorithm, dropout, soft labels.
TEST_F(SessionTest, DeepNetworksGiveOneResultToo) {
  const std::vector<std::string> common = {
      "steps=2", "model.label_smoothing=0.1", "batch.global=32",
      "data.augment=[{resize: {size: 40}}, {random_resized_crop: {size: 32}}, flip, cutout]"};
  const std::vector<std::vector<std::string>> models = {
      {"model.name=resnet18", "model.width=0.5"},
      {"model.name=mobilenet_v1", "model.width=0.5", "model.dropout=0.3"}};
  for (const std::vector<std::string>& model : models) {
    std::vector<std::string> overrides = common;
    overrides.insert(overrides.end(), model.begin(), model.end());
    const auto name = [&](int ranks) { return fmt::format("{}_{}", model[0].substr(11), ranks); };
    for (const int ranks : {1, 2, 3, 4}) {
      train_on(ranks, config(name(ranks), overrides));
      EXPECT_TRUE(bytes_of(name(ranks), 2) == bytes_of(name(1), 2)) << name(ranks);
    }
  }
}

TEST_F(SessionTest, BadSamplesAreBorneAlikeOnAnyRanks) {
  const fs::path damaged = folder_->path() / "damaged";
  test::copy_damaged(folder_->path() / "data", damaged);
  const std::string path = "data.path=" + damaged.string();
  EXPECT_THROW(train_on(1, config("failed", {path})), Error);
  EXPECT_EQ(status_of("failed")["code"], 65);
  for (const std::string policy : {"skip", "substitute"}) {
    const auto name = [&](int ranks) { return fmt::format("{}{}", policy, ranks); };
    for (const int ranks : {1, 2, 4}) {
      const TrainingOutcome outcome =
          train_on(ranks, config(name(ranks), {path, "data.bad_samples=" + policy}));
      EXPECT_EQ(outcome.evaluation->samples, 22u);
      EXPECT_TRUE(bytes_of(name(ranks)) == bytes_of(name(1))) << name(ranks);
    }
  }
  EXPECT_FALSE(bytes_of("skip1") == bytes_of("substitute1"));
}

TEST_F(SessionTest, AnotherSeedOrNumberOfLanesGivesAnotherResult) {
  train_on(1, config("first"));
  train_on(1, config("seed2", {"seed=2"}));
  train_on(1, config("lanes2", {"batch.lanes=2"}));
  EXPECT_FALSE(bytes_of("first") == bytes_of("seed2"));
  EXPECT_FALSE(bytes_of("first") == bytes_of("lanes2"));
}

TEST_F(SessionTest, TheReferenceBackendKeepsThePromiseToo) {
  train_on(1, config("reference1", {"backend=reference", "steps=3"}));
  train_on(3, config("reference3", {"backend=reference", "steps=3"}));
  EXPECT_TRUE(bytes_of("reference1", 3) == bytes_of("reference3", 3));
}

TEST_F(SessionTest, StoppingAndResumingOnOtherRanksChangesNothing) {
  train_on(1, config("uninterrupted"));
  for (const int stop_at : {0, 4, 10}) {
    const std::string name = fmt::format("stopped{}", stop_at);
    // Rank 1 alone is asked; both stop after the same step.
    const TrainingOutcome first = train_on(2, config(name), [&](int rank, std::uint64_t step) {
      return rank == 1 && step == static_cast<std::uint64_t>(stop_at);
    });
    EXPECT_TRUE(first.stopped);
    EXPECT_EQ(first.steps, stop_at + 1u);
    EXPECT_EQ(status_of(name)["code"], 75);
    EXPECT_EQ(status_of(name)["step"], stop_at + 1);
    const TrainingOutcome second = train_on(3, config(name));
    EXPECT_FALSE(second.stopped);
    EXPECT_EQ(status_of(name)["code"], 0);
    EXPECT_TRUE(bytes_of(name) == bytes_of("uninterrupted")) << name;
  }
}

// Everything that an optimizer can have beside the weights: two moments, an average, norms of the
// whole gradient and of each layer, groups.
const std::vector<std::string> lamb_with_average = {
    "optimizer={name: lamb, lr: 0.01, weight_decay: 0.01, clip_norm: 1, "
    "groups: [{match: fc.*, lr_scale: 2}]}",
    "schedule={name: one_cycle, warmup_epochs: 0}", "ema.decay=0.9"};

TEST_F(SessionTest, MomentsAndAverageSurviveStoppingAndResumingOnOtherRanks) {
  train_on(1, config("lamb", lamb_with_average));
  EXPECT_TRUE(fs::exists(checkpoint("lamb") / "ema.safetensors"));
  const TrainingOutcome first = train_on(2, config("lamb_stopped", lamb_with_average),
                                         [](int, std::uint64_t step) { return step == 4; });
  EXPECT_TRUE(first.stopped);
  train_on(3, config("lamb_stopped", lamb_with_average));
  EXPECT_TRUE(bytes_of("lamb_stopped") == bytes_of("lamb"));
}

TEST_F(SessionTest, EvaluatesTheAverageOfWeights) {
  const TrainingOutcome trained = train_on(2, config("averaged", lamb_with_average));
  test::on_ranks(1, [&](Communicator& communicator) {
    const auto report = evaluate({.trained = {.source = run_folder("averaged")}}, communicator);
    EXPECT_TRUE(report.members[0].ema);
    EXPECT_TRUE(report.result == *trained.evaluation);
    const auto raw =
        evaluate({.trained = {.source = run_folder("averaged"), .ema = false}}, communicator);
    EXPECT_FALSE(raw.members[0].ema);
    EXPECT_NE(raw.result.loss, report.result.loss);
  });
}

TEST_F(SessionTest, AFinishedRunHasNothingLeftToDo) {
  train_on(1, config("finished"));
  const std::string before = bytes_of("finished");
  const TrainingOutcome again = train_on(2, config("finished"));
  EXPECT_EQ(again.steps, 12u);
  EXPECT_FALSE(again.stopped);
  EXPECT_TRUE(bytes_of("finished") == before);
}

TEST_F(SessionTest, EvaluationIsTheSameOnAnyRanks) {
  const TrainingOutcome trained = train_on(1, config("evaluated"));
  EXPECT_GT(trained.evaluation->top1, 23u / 4) << "it learned nothing";
  for (const int ranks : {1, 2, 3}) {
    for (const int threads : {1, 2}) {
      test::on_ranks(ranks, [&](Communicator& communicator) {
        const EvaluationReport report = evaluate(
            {.trained = {.source = run_folder("evaluated")}, .threads = threads}, communicator);
        EXPECT_TRUE(report.result == *trained.evaluation) << ranks << " ranks";
        EXPECT_EQ(report.members[0].step, 12u);
        std::uint64_t all = 0;
        for (const std::uint64_t count : report.result.confusion) all += count;
        EXPECT_EQ(all, 23u);
        EXPECT_EQ(report.result.samples_of(0), 6u);
      });
    }
  }
}

TEST_F(SessionTest, WritesWhatTheRunDid) {
  train_on(2, config("written"));
  const fs::path run = run_folder("written");
  int train_lines = 0, evaluation_lines = 0;
  std::istringstream lines(read_file(run / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json["kind"] == "train") {
      ++train_lines;
      EXPECT_GT(json["images_per_second"].get<double>(), 0);
      EXPECT_GT(json["loss"].get<double>(), 0);
    } else {
      ++evaluation_lines;
      EXPECT_EQ(json["samples"], 23);
    }
  }
  EXPECT_EQ(train_lines, 3);       // steps 5, 10, 12
  EXPECT_EQ(evaluation_lines, 4);  // epochs 1, 2, 3, and the end
  const Config resolved = load_config(run / "config.yaml");
  EXPECT_EQ(resolved.model.classes, 4);
  EXPECT_EQ(resolved.data.mean.size(), 1u);
  EXPECT_EQ(status_of("written")["code"], 0);
  EXPECT_FALSE(fs::exists(run / "lock") && !read_file(run / "lock").empty());
}

TEST_F(SessionTest, TracesStepsThatItIsAskedFor) {
  train_on(1, config("untraced"));
  for (const int first : {3, 10}) {  // of the second trace, the run has two steps
    train_on(2, config("traced", {fmt::format("trace={{first_step: {}, steps: 2}}", first)}));
    EXPECT_TRUE(bytes_of("traced") == bytes_of("untraced"));
    const auto trace = nlohmann::json::parse(read_file(run_folder("traced") / "trace.json"));
    std::map<std::string, int> counts;  // by rank, kind and name
    std::map<int, std::vector<std::string>> threads;
    for (const auto& event : trace["traceEvents"]) {
      if (event["name"] == "thread_name") {
        threads[event["pid"].get<int>()].push_back(event["args"]["name"].get<std::string>());
      }
      if (event["ph"] == "M") continue;
      EXPECT_GE(event["ts"].get<double>(), 0);
      EXPECT_GE(event["dur"].get<double>(), 0);
      ++counts[fmt::format("{} {} {}", event["pid"].get<int>(), event["cat"].get<std::string>(),
                           event["name"].get<std::string>())];
    }
    for (const int rank : {0, 1}) {
      const auto count = [&](const std::string& what) {
        return counts[fmt::format("{} {}", rank, what)];
      };
      EXPECT_EQ(count("step update"), 2);
      EXPECT_EQ(count("step wait for sums"), 2);
      for (const std::string what : {"lane wait for images", "lane forward", "lane backward",
                                     "forward conv1", "backward fc"}) {
        EXPECT_EQ(count(what), 4) << what;  // two lanes in each
      }
      EXPECT_GE(count("communication sum of a bucket"), 2);
      EXPECT_EQ(threads[rank], (std::vector<std::string>{"worker 0", "loader 0", "communication"}));
    }
    std::filesystem::remove_all(run_folder("traced"));
  }
}

}  // namespace
}  // namespace convoy
