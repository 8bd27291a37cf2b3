// Runs that begin with the weights of another one and leave some of them alone.
#include "trainer/transfer.h"

#include <gtest/gtest.h>

#include <set>

#include "ops/core/log.h"
#include "tests/support/ranks.h"
#include "tests/trainer/temporary_folder.h"
#include "tests/trainer/tiny_data.h"
#include "trainer/checkpoint.h"
#include "trainer/network.h"
#include "trainer/session.h"
#include "trainer/together.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

Graph network() {
  ModelConfig model;
  model.name = "resnet8";
  model.classes = 3;
  return build_model(model, {2, 3, 32, 32});
}

std::set<std::string> frozen_by(const std::vector<std::string>& patterns) {
  const Graph graph = network();
  const std::vector<bool> frozen = frozen_parameters(graph, patterns);
  std::set<std::string> names;
  for (std::size_t i = 0; i < frozen.size(); ++i) {
    if (frozen[i]) names.insert(graph.parameters()[i].name);
  }
  return names;
}

std::string error_of(const std::vector<std::string>& patterns) {
  try {
    frozen_parameters(network(), patterns);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::config);
    return error.what();
  }
  return "";
}

TEST(FrozenParameters, AreThoseOfWholeLayers) {
  EXPECT_TRUE(frozen_parameters(network(), {}).empty());
  EXPECT_EQ(frozen_by({"conv1.*"}), std::set<std::string>{"conv1.weight"});
  const std::set<std::string> norm{"bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"};
  EXPECT_EQ(frozen_by({"bn1.*"}), norm);
  EXPECT_EQ(frozen_by({"bn1.weight", "bn1.bias"}), norm);
}

TEST(FrozenParameters, PartsOfLayersAndWrongPatternsAreErrors) {
  EXPECT_EQ(error_of({"bn1.weight"}),
            "freeze: bn1.weight is frozen and bn1.bias is not, expected patterns of whole layers: "
            "'bn1.*'");
  EXPECT_NE(error_of({"conv1.*", "bn1.running_mean"}).find("bn1.weight is not"), std::string::npos);
  EXPECT_NE(error_of({"conv9.*"}).find("'conv9.*' fits no parameter"), std::string::npos);
}

class Transfer : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    set_quiet(true);
    folder_ = new TemporaryFolder;
    test::make_tiny_data(folder_->path() / "data", 50, 23);
    train_on(1, config("backbone", {}));
  }
  static void TearDownTestSuite() { delete folder_; }

  static Config config(const std::string& name, const std::vector<std::string>& overrides) {
    std::vector<std::string> all = {"name=" + name,
                                    "data.path=" + (folder_->path() / "data").string(),
                                    "run_folder=" + run_folder(name).string()};
    all.insert(all.end(), overrides.begin(), overrides.end());
    return parse_config(R"(
steps: 6
model: {name: resnet8}
data: {channels: 1, augment: [{pad_and_crop: {size: 8, pad: 1}}, flip]}
batch: {global: 16, lanes: 4}
optimizer: {lr: 0.05, weight_decay: 0.001}
ema: {decay: 0.5}
evaluation: {batch: 5}
checkpoint: {every_steps: 3, keep: 100}
threads: 1
deadline_seconds: 20
)",
                        "test", all);
  }
  static Config tuning(const std::string& name, const std::vector<std::string>& overrides = {}) {
    std::vector<std::string> all = {"init.weights=" + run_folder("backbone").string(),
                                    "init.skip=[fc.*]",
                                    "freeze=[conv1.*, bn1.*, layer1.*, 'layer2.*.bn1.*']"};
    all.insert(all.end(), overrides.begin(), overrides.end());
    return config(name, all);
  }
  static fs::path run_folder(const std::string& name) { return folder_->path() / name; }
  static LoadedCheckpoint checkpoint(const std::string& name) {
    return find_checkpoint(run_folder(name));
  }
  static void train_on(int ranks, const Config& config, std::uint64_t stop_at = 1000) {
    test::on_ranks(ranks, [&](Communicator& communicator) {
      train(config, communicator,
            {.stop_requested = [stop_at](std::uint64_t step) { return step == stop_at; }});
    });
  }
  static std::vector<std::byte> bytes(const Safetensors& file, std::string_view name) {
    for (const TensorView& tensor : file.tensors()) {
      if (tensor.name == name) return {tensor.bytes.begin(), tensor.bytes.end()};
    }
    ADD_FAILURE() << "no tensor " << name;
    return {};
  }
  static bool is_frozen(const std::string& name) {
    return name.starts_with("conv1.") || name.starts_with("bn1.") || name.starts_with("layer1.") ||
           name.starts_with("layer2.0.bn1.");
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* Transfer::folder_ = nullptr;

TEST_F(Transfer, TrainsWhatIsNotFrozenFromTheWeightsOfTheRun) {
  train_on(1, tuning("tuned"));
  const LoadedCheckpoint before = checkpoint("backbone"), after = checkpoint("tuned");
  ASSERT_TRUE(before.average && after.average);
  for (const TensorView& tensor : after.model.tensors()) {
    if (tensor.name.ends_with("num_batches_tracked")) continue;
    const bool same = bytes(*before.average, tensor.name) == bytes(after.model, tensor.name);
    EXPECT_EQ(same, is_frozen(tensor.name)) << tensor.name;
    if (is_frozen(tensor.name)) {
      EXPECT_EQ(bytes(*after.average, tensor.name), bytes(after.model, tensor.name));
    }
  }
  for (const TensorView& tensor : after.state.tensors()) {
    EXPECT_FALSE(is_frozen(tensor.name.substr(tensor.name.find('.') + 1))) << tensor.name;
  }
}

TEST_F(Transfer, GivesOneResultOnAnyRanksStoppedOrNot) {
  train_on(1, tuning("alone"));
  const std::string expected = checkpoint("alone").model.identity().sha256;
  for (const int ranks : {2, 3, 4}) {
    const std::string name = std::to_string(ranks);
    train_on(ranks, tuning(name));
    EXPECT_EQ(checkpoint(name).model.identity().sha256, expected) << name;
  }
  train_on(2, tuning("stopped"), 2);
  train_on(3, tuning("stopped"));
  EXPECT_EQ(checkpoint("stopped").model.identity().sha256, expected);
}

TEST_F(Transfer, ARunKeepsWhatIsFrozen) {
  train_on(1, tuning("kept"), 2);
  const auto thaw = [] { train_on(1, tuning("kept", {"freeze=[]"})); };
  EXPECT_THROW(thaw(), SharedError);
}

TEST_F(Transfer, WeightsThatDoNotFitAreAnError) {
  const auto other = [] { train_on(1, tuning("other", {"model.width=2"})); };
  EXPECT_THROW(other(), SharedError);
  const auto nothing = [] { config("nothing", {"init.skip=[fc.*]"}); };
  EXPECT_THROW(nothing(), Error);
}

}  // namespace
}  // namespace convoy
