// Features: computed alike by any number of ranks, good for what the whole network is good for, and
// a data set to train on.
#include "trainer/features.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "data/inspect.h"
#include "ops/core/log.h"
#include "tests/data/files.h"
#include "tests/trainer/evaluated.h"
#include "tests/trainer/temporary_folder.h"
#include "tests/trainer/tiny_data.h"
#include "trainer/checkpoint.h"
#include "trainer/session.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using test::expect_holds;

class Features : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    set_quiet(true);
    folder_ = new TemporaryFolder;
    test::make_tiny_data(path("data"), 50, 23);
    train_on(1, config("whole", {"data.augment=[flip]"}));
    compute_all("features", 1);
  }
  static void TearDownTestSuite() { delete folder_; }

  static fs::path path(const std::string& name) { return folder_->path() / name; }
  static Config config(const std::string& name, const std::vector<std::string>& overrides) {
    std::vector<std::string> all = {"name=" + name, "data.path=" + path("data").string(),
                                    "run_folder=" + path(name).string()};
    all.insert(all.end(), overrides.begin(), overrides.end());
    return parse_config(
        "{steps: 12, model: {name: resnet8}, data: {channels: 1}, threads: 1, "
        "batch: {global: 16, lanes: 4}, evaluation: {batch: 5}, optimizer: {lr: 0.05}, "
        "checkpoint: {every_epochs: 0}, deadline_seconds: 20}",
        "test", all);
  }
  static Config head(const std::string& name, const std::vector<std::string>& overrides = {}) {
    std::vector<std::string> all = {"data.path=" + path("features").string()};
    all.insert(all.end(), overrides.begin(), overrides.end());
    return config(name, all);
  }
  static void train_on(int ranks, const Config& config) {
    test::on_ranks(ranks, [&](Communicator& communicator) { train(config, communicator); });
  }
  static FeatureReport compute(FeatureRequest request, int ranks = 1) {
    if (request.trained.source.empty()) request.trained.source = path("whole");
    if (request.output.empty()) request.output = path("unused");
    FeatureReport report;
    test::on_ranks(ranks, [&](Communicator& communicator) {
      const FeatureReport mine = compute_features(request, communicator);
      if (communicator.rank() == 0) report = mine;
    });
    return report;
  }
  static void compute_all(const std::string& name, int ranks, int threads = 1) {
    for (const std::string split : {"train", "validation"}) {
      compute({.split = split, .output = path(name), .threads = threads}, ranks);
    }
  }
  static std::string refusal_of(ExitCode code, const std::function<void()>& body) {
    return test::error_of(code, body);
  }
  // The whole network's weights of the layer behind the features.
  static fs::path weights_of_head() {
    const LoadedCheckpoint whole = find_checkpoint(path("whole"));
    std::vector<TensorView> views;
    for (const TensorView& tensor : whole.model.tensors()) {
      if (tensor.name.starts_with("fc.")) views.push_back(tensor);
    }
    if (!fs::exists(path("head.safetensors"))) {
      write_safetensors(path("head.safetensors"), views, {});
    }
    return path("head.safetensors");
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* Features::folder_ = nullptr;

TEST_F(Features, AreTheSameBytesByAnyRanksAndThreads) {
  const auto expected = contents(path("features"));
  EXPECT_GT(expected.size(), 5u);  // shards and the manifest
  for (const int ranks : {2, 3}) {
    compute_all(std::to_string(ranks), ranks);
    EXPECT_TRUE(contents(path(std::to_string(ranks))) == expected) << ranks;
  }
  compute_all("threads", 1, 2);
  EXPECT_TRUE(contents(path("threads")) == expected);
}

TEST_F(Features, KeepOrderLabelsAndNames) {
  for (const std::string split : {"train", "validation"}) {
    const Dataset images(path("data"), split), features(path("features"), split);
    ASSERT_EQ(features.size(), images.size());
    EXPECT_EQ(features.class_names(), images.class_names());
    EXPECT_TRUE(features.holds_features());
    EXPECT_FALSE(images.holds_features());
    for (std::uint64_t i = 0; i < images.size(); ++i) {
      EXPECT_EQ(features.sample(i).label, images.sample(i).label);
      EXPECT_EQ(features.sample(i).id, i);
      EXPECT_EQ(features.name(i), images.name(i));
      EXPECT_EQ(features.sample(i).height, 64u);  // channels
      EXPECT_EQ(features.sample(i).width, 1u);
    }
  }
}

TEST_F(Features, SayWhatTheyAre) {
  expect_holds(describe_dataset(path("features")),
               {"features   float32 [64, 1] (channels, pixels); 256 bytes each",
                R"("model":"resnet8","settings":"name: resnet8, )", R"("images":[1,8,8])"});
}

TEST_F(Features, AreAsGoodForTheLayersBehindAsImagesForTheWhole) {
  const EvaluationReport whole = test::evaluated({.trained = {.source = path("whole")}});
  const EvaluationReport part =
      test::evaluated({.trained = {.source = path("whole") / "config.yaml",
                                   .weights = {weights_of_head()},
                                   .overrides = {"data.path=" + path("features").string()}}});
  EXPECT_EQ(part.result.confusion, whole.result.confusion);
  EXPECT_NEAR(part.result.loss, whole.result.loss, 1e-6);
}

TEST_F(Features, OfALayerInsideAreMapsToGoOnFrom) {
  const FeatureReport report = compute({.layer = "layer1.0.relu2", .output = path("maps")});
  EXPECT_EQ(report.shape, (Shape{16, 8, 8}));
  compute({.layer = "layer1.0.relu2", .split = "validation", .output = path("maps")});
  const Config behind = config("behind", {"data.path=" + path("maps").string()});
  train_on(2, behind);
  const LoadedCheckpoint trained = find_checkpoint(path("behind"));
  for (const TensorView& tensor : trained.model.tensors()) {
    EXPECT_TRUE(tensor.name.starts_with("layer2.") || tensor.name.starts_with("layer3.") ||
                tensor.name.starts_with("fc."))
        << tensor.name;
  }
}

TEST_F(Features, TrainTheLayersBehindThemAlikeOnAnyRanks) {
  train_on(1, head("head1"));
  const LoadedCheckpoint alone = find_checkpoint(path("head1"));
  for (const TensorView& tensor : alone.model.tensors()) {
    EXPECT_TRUE(tensor.name == "fc.weight" || tensor.name == "fc.bias") << tensor.name;
  }
  for (const int ranks : {2, 3, 4}) {
    const std::string name = "head" + std::to_string(ranks);
    train_on(ranks, head(name));
    EXPECT_EQ(find_checkpoint(path(name)).model.identity().sha256, alone.model.identity().sha256);
  }
  EXPECT_GT(test::evaluated({.trained = {.source = path("head1")}}).result.top1, 23u / 4);
}

TEST_F(Features, AndTheHeadTrainedOnThemMakeANetworkAgain) {
  train_on(1, head("headed"));
  const EvaluationReport on_features = test::evaluated({.trained = {.source = path("headed")}});
  const EvaluationReport on_images =
      test::evaluated({.trained = {.source = path("whole"), .head = path("headed")}});
  EXPECT_EQ(on_images.result.confusion, on_features.result.confusion);
  EXPECT_NEAR(on_images.result.loss, on_features.result.loss, 1e-6);
  EXPECT_NE(on_images.result.loss,
            test::evaluated({.trained = {.source = path("whole")}}).result.loss);

  const std::vector<std::string> from_both = {"init.weights=" + path("whole").string(),
                                              "init.head=" + path("headed").string(), "steps=1",
                                              "optimizer.lr=1e-12"};
  train_on(1, config("tuned", from_both));
  const LoadedCheckpoint tuned = find_checkpoint(path("tuned"));
  for (const std::string name : {"fc.weight", "layer3.0.conv2.weight"}) {
    const LoadedCheckpoint origin = find_checkpoint(path(name == "fc.weight" ? "headed" : "whole"));
    const auto values_of = [&](const LoadedCheckpoint& checkpoint) {
      const auto& tensors = checkpoint.model.tensors();
      return elements_of<float>(*std::ranges::find(tensors, name, &TensorView::name));
    };
    const std::span<const float> found = values_of(tuned), expected = values_of(origin);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-6);
  }
}

TEST_F(Features, NeedAHeadThatFits) {
  const auto error_of = [](ExitCode code, const EvaluationRequest& request) {
    return refusal_of(code, [&] { test::evaluated(request); });
  };
  write_safetensors(path("other.safetensors"), {}, {});
  expect_holds(error_of(ExitCode::data,
                        {.trained = {.source = path("whole"), .head = path("other.safetensors")}}),
               {"other.safetensors: has no parameter of this model"});
  expect_holds(error_of(ExitCode::usage, {.trained = {.source = path("whole"),
                                                      .weights = {path("whole")},
                                                      .head = path("whole")}}),
               {"is the head of one network, found 2"});
  expect_holds(refusal_of(ExitCode::config, [] { config("none", {"init.head=somewhere"}); }),
               {"init.weights: missing"});
}

// A kill before the end leaves whole shards, staged or with their names, and parts of others.
TEST_F(Features, AreNotComputedAgainAfterAKill) {
  const auto compute_here = [] { return compute({.output = path("killed")}); };
  EXPECT_EQ(compute_here().found, 0);
  const auto expected = contents(path("killed"));
  fs::remove(path("killed") / "manifest.h5");
  std::vector<std::string> shards;
  for (const auto& [name, text] : expected) {
    if (name.starts_with("train-")) shards.push_back(name);
  }
  ASSERT_GT(shards.size(), 4u);
  fs::rename(path("killed") / shards[0], staged_path(path("killed"), shards[0]));
  fs::resize_file(path("killed") / shards[1], 100);
  fs::remove(path("killed") / shards[2]);
  const FeatureReport report = compute_here();
  EXPECT_EQ(report.found, static_cast<int>(shards.size()) - 2);
  EXPECT_TRUE(contents(path("killed")) == expected);
}

TEST_F(Features, OfOtherWeightsAreComputedAnew) {
  compute({.output = path("anew")});
  fs::remove(path("anew") / "manifest.h5");
  const FeatureReport report =
      compute({.trained = {.source = path("whole"), .overrides = {"data.mean=[0.25]"}},
               .output = path("anew")});
  EXPECT_EQ(report.found, 0);
  EXPECT_TRUE(contents(path("anew")) != contents(path("features")));
}

TEST_F(Features, OfTwoNetworksAreNoDataSet) {
  compute({.output = path("two")});
  compute({.trained = {.source = path("whole"), .overrides = {"data.mean=[0.25]"}},
           .split = "validation",
           .output = path("two")});
  const std::string error = refusal_of(
      ExitCode::data, [] { train_on(1, config("none", {"data.path=" + path("two").string()})); });
  expect_holds(error, {"is of another network than the features of train", "mean: [0.25]"});
}

TEST_F(Features, OfWhatCannotBeAreAnError) {
  const auto error_of = [](ExitCode code, const FeatureRequest& request) {
    return refusal_of(code, [&] { compute(request); });
  };
  expect_holds(error_of(ExitCode::config, {.layer = "layer9"}), {"layer9: is no layer"});
  expect_holds(error_of(ExitCode::config, {.layer = "loss"}), {"loss: is a loss"});
  expect_holds(error_of(ExitCode::data, {.data = path("features").string()}),
               {"is features already"});
  expect_holds(error_of(ExitCode::data, {.split = "test"}), {"no split \"test\""});
  expect_holds(error_of(ExitCode::usage, {.output = path("features")}),
               {"holds a split \"train\" already"});
  expect_holds(
      error_of(ExitCode::usage, {.trained = {.source = path("whole"), .weights = {path("whole")}}}),
      {"2 networks"});
  EXPECT_FALSE(fs::exists(path("unused")));
}

TEST_F(Features, AreNotTreatedAsImages) {
  const auto error_of = [](ExitCode code, const std::vector<std::string>& overrides) {
    return refusal_of(code, [&] {
      fs::remove_all(path("refused"));
      train_on(1, head("refused", overrides));
    });
  };
  expect_holds(error_of(ExitCode::config, {"data.augment=[flip]"}), {"holds features"});
  expect_holds(error_of(ExitCode::config, {"data.mix.cutmix=1"}), {"holds features"});
  expect_holds(error_of(ExitCode::config, {"model.name=resnet20"}), {"features of resnet8"});
  expect_holds(error_of(ExitCode::config, {"model.width=2"}), {"64 channels and 1 pixels"});
}

}  // namespace
}  // namespace convoy
