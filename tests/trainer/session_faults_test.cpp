// What ends a session: impossible settings, another run's folder, values that are not finite, bad
// input on one rank alone. It ends alike on all ranks, with one error and nothing half-written.
#include <fstream>

#include "data/dataset.h"
#include "tests/trainer/session_fixture.h"
#include "trainer/checkpoint.h"
#include "trainer/together.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

class SessionFaults : public test::SessionTest {};

TEST_F(SessionFaults, RefusesMoreRanksThanLanes) {
  const std::string message =
      test::error_of(ExitCode::config, [&] { train_on(3, config("crowded", {"batch.lanes=2"})); });
  EXPECT_EQ(message,
            "batch.lanes: 3 ranks, but only 2 lanes to share: each rank needs at least one");
}

TEST_F(SessionFaults, RefusesSamplesWithoutLabels) {
  const fs::path data = folder_->path() / "bare";
  test::make_tiny_data(data, 20, 10);
  pack({.path = data / "train-images", .unlabelled = true}, {.output = data, .split = "bare"});
  for (const char* setting : {"data.train=bare", "data.validation=bare"}) {
    const std::string message = test::error_of(ExitCode::data, [&] {
      train_on(2, config("unlabelled", {"data.path=" + data.string(), setting}));
    });
    test::expect_holds(message, {"bare: 20 of the 20 samples of bare have no label"});
  }
}

TEST_F(SessionFaults, RefusesToResumeAnotherRun) {
  train_on(1, config("owner"));
  const std::string before = bytes_of("owner");
  const auto refusal = [&](const std::string& setting) {
    return test::error_of(ExitCode::config, [&] { train_on(2, config("owner", {setting})); });
  };
  test::expect_holds(refusal("seed=9"), {"step-00000012: is of a run with seed 1", "has 9"});
  test::expect_holds(refusal("batch.lanes=2"), {"lanes 4", "has 2"});
  test::expect_holds(refusal("batch.global=32"), {"global batch 16", "has 32"});
  test::expect_holds(refusal("model.name=resnet20"), {"model", "resnet8", "resnet20"});
  test::expect_holds(refusal("optimizer.name=adamw"), {"optimizer sgd", "has adamw"});
  test::expect_holds(refusal("ema.decay=0.9"), {"ema off", "has on"});
  EXPECT_EQ(status_of("owner")["code"], 78);
  EXPECT_TRUE(bytes_of("owner") == before);
  EXPECT_EQ(load_config(run_folder("owner") / "config.yaml").seed, 1u);
}

TEST_F(SessionFaults, StopsWhenTheLossIsNotFinite) {
  const std::string message = test::error_of(ExitCode::internal, [&] {
    train_on(2, config("diverged", {"optimizer.lr=1e30", "schedule.warmup_epochs=0"}));
  });
  test::expect_holds(message, {"step ", "loss is not finite"});
  EXPECT_EQ(status_of("diverged")["code"], 70);
}

// No loss tells it yet.
TEST_F(SessionFaults, StopsWhenAWeightIsNotFinite) {
  const std::string message = test::error_of(ExitCode::internal, [&] {
    train_on(2, config("overflown", {"optimizer.lr=1e30", "schedule.warmup_epochs=0",
                                     "optimizer.groups=[{match: conv1.*, lr_scale: 1e30}]"}));
  });
  test::expect_holds(message, {"step 0: gradients or weights are not finite"});
  EXPECT_FALSE(fs::exists(run_folder("overflown") / "checkpoints" / "step-00000001"));
}

TEST_F(SessionFaults, RefusesAGroupWithoutParameters) {
  const std::string message = test::error_of(ExitCode::config, [&] {
    train_on(2, config("groups", {"optimizer.groups=[{match: fd.*}]"}));
  });
  test::expect_holds(message, {"optimizer.groups: 'fd.*' matches no parameter"});
}

TEST_F(SessionFaults, OneRankWithBadInputEndsAll) {
  // The last byte of the images is flipped: some rank meets it in the first epoch.
  const fs::path data = folder_->path() / "data";
  fs::path shard;
  for (const auto& entry : fs::directory_iterator(data)) {
    if (entry.path().filename().string().starts_with("train-0")) shard = entry.path();
  }
  const std::string whole = read_file(shard);
  std::string damaged = whole;
  const Dataset train_split(data, "train");
  std::vector<std::byte> buffer;
  const auto image = train_split.read(31, buffer);
  const std::size_t at =
      damaged.find(std::string_view(reinterpret_cast<const char*>(image.data()), image.size()));
  ASSERT_NE(at, std::string::npos);
  damaged[at] = static_cast<char>(damaged[at] ^ 1);
  std::ofstream(shard, std::ios::binary) << damaged;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THROW(train_on(3, config("damaged")), Error);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_EQ(status_of("damaged")["code"], 65);
  test::expect_holds(status_of("damaged")["reason"], {"train-00000-of-00001.h5[31]"});
  std::ofstream(shard, std::ios::binary) << whole;
}

TEST_F(SessionFaults, MissingDataIsOneErrorForAll) {
  for (const int ranks : {1, 2}) {
    test::on_ranks(ranks, [&](Communicator& communicator) {
      EXPECT_THROW(train(config("nowhere", {"data.path=/nowhere"}), communicator), SharedError);
    });
    EXPECT_EQ(status_of("nowhere")["code"], 65);
  }
}

}  // namespace
}  // namespace convoy
