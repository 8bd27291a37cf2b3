// Training with convolutions in bf16: one seed still gives one result, and a run that left the
// choice open keeps what it began with.
#include "trainer/precision.h"

#include <gtest/gtest.h>

#include "ops/core/file.h"
#include "ops/core/log.h"
#include "tests/support/ranks.h"
#include "tests/trainer/temporary_folder.h"
#include "tests/trainer/tiny_data.h"
#include "trainer/session.h"

namespace convoy {
namespace {

constexpr int last_step = 6;

class PrecisionTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!onednn_can_multiply_in(Precision::bf16)) GTEST_SKIP() << "no AVX512-BF16 here";
    set_quiet(true);
    test::make_tiny_data(folder_.path() / "data", 48, 23);
  }

  // Strided convolutions and shortcuts of resnet8 are rounded, the others run by Winograd's
  // algorithm.
  Config config(const std::string& name, const std::string& precision) const {
    return parse_config(R"(
steps: 6
model: {name: resnet8}
data: {channels: 1, augment: [{pad_and_crop: {size: 8, pad: 1}}, flip]}
batch: {global: 16, lanes: 4}
evaluation: {batch: 5}
threads: 1
deadline_seconds: 20
)",
                        "test",
                        {"run_folder=" + (folder_.path() / name).string(), "precision=" + precision,
                         "data.path=" + (folder_.path() / "data").string()});
  }
  static TrainingOutcome train_on(int ranks, const Config& config, std::uint64_t stop_after = 0) {
    TrainingOutcome outcome;
    test::on_ranks(ranks, [&](Communicator& communicator) {
      const TrainingHooks hooks{[&](std::uint64_t step) { return step + 1 == stop_after; }};
      const TrainingOutcome mine = train(config, communicator, hooks);
      if (communicator.rank() == 0) outcome = mine;
    });
    return outcome;
  }
  std::string weights(const std::string& name) const {
    return read_file(folder_.path() / name / fmt::format("checkpoints/step-{:08}", last_step) /
                     "model.safetensors");
  }
  std::optional<Precision> recorded(const std::string& name) const {
    return load_config(folder_.path() / name / "config.yaml").precision;
  }

  TemporaryFolder folder_;
};

TEST_F(PrecisionTest, OneSeedGivesOneResultOnAnyRanks) {
  for (const int ranks : {1, 2, 3, 4}) {
    train_on(ranks, config(fmt::format("bf16_{}", ranks), "bf16"));
    EXPECT_TRUE(weights(fmt::format("bf16_{}", ranks)) == weights("bf16_1")) << ranks;
  }
  train_on(1, config("fp32", "fp32"));
  EXPECT_FALSE(weights("fp32") == weights("bf16_1"));
}

TEST_F(PrecisionTest, EvaluationComputesAsTrainingDid) {
  const TrainingOutcome trained = train_on(2, config("trained", "bf16"));
  test::on_ranks(3, [&](Communicator& communicator) {
    const auto report = evaluate({.trained = {.source = folder_.path() / "trained"}}, communicator);
    EXPECT_EQ(report.result.loss, trained.evaluation->loss);
  });
}

TEST_F(PrecisionTest, AutoKeepsWhatTheRunBeganWith) {
  for (const std::string precision : {"fp32", "bf16"}) {
    const std::string resumed = precision + "_resumed";
    train_on(1, config(precision, precision));
    train_on(2, config(resumed, precision), 3);
    train_on(3, config(resumed, "auto"));
    EXPECT_TRUE(weights(resumed) == weights(precision)) << precision;
    EXPECT_EQ(recorded(resumed), recorded(precision));
  }
}

TEST_F(PrecisionTest, AutoIsDecidedWhenARunBegins) {
  train_on(2, config("open", "auto"));
  EXPECT_TRUE(recorded("open").has_value());
}

TEST_F(PrecisionTest, MeasuresOnlyWhatWouldBeRounded) {
  Config lenet = config("lenet", "auto");
  lenet.model = {.name = "lenet5", .classes = 4};
  EXPECT_EQ(measure_precision(lenet, {4, 1, 28, 28}), Precision::fp32);
  lenet.backend = "reference";
  EXPECT_EQ(measure_precision(lenet, {4, 1, 28, 28}), Precision::fp32);
}

TEST_F(PrecisionTest, TheReferenceBackendRefusesIt) {
  Config reference = config("reference", "bf16");
  reference.backend = "reference";
  EXPECT_THROW(train_on(1, reference), Error);
}

}  // namespace
}  // namespace convoy
