// Sessions in one process, with ranks as threads, for tests.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "ops/core/file.h"
#include "ops/core/log.h"
#include "tests/support/ranks.h"
#include "tests/trainer/temporary_folder.h"
#include "tests/trainer/tiny_data.h"
#include "trainer/session.h"

namespace convoy::test {

// A data set and runs on it, for tests of whole sessions: 50 training samples in batches of 16, so
// batches straddle epochs; 23 to evaluate in batches of 5, so that the last is short.
class SessionTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    set_quiet(true);
    folder_ = new TemporaryFolder;
    make_data();
  }
  static void TearDownTestSuite() { delete folder_; }
  static void make_data() { make_tiny_data(folder_->path() / "data", 50, 23); }

  static Config config(const std::string& name, const std::vector<std::string>& overrides = {}) {
    const std::string text = R"(
steps: 12
model: {name: resnet8}
data:
  channels: 1
  augment: [{pad_and_crop: {size: 8, pad: 1}}, flip]
batch: {global: 16, lanes: 4}
optimizer: {lr: 0.05, weight_decay: 0.001}
schedule: {name: cosine, warmup_epochs: 1}
evaluation: {batch: 5}
checkpoint: {every_epochs: 1, keep: 100}
log_every_steps: 5
threads: 1
deadline_seconds: 20
)";
    std::vector<std::string> all = {"name=" + name,
                                    "data.path=" + (folder_->path() / "data").string(),
                                    "run_folder=" + run_folder(name).string()};
    all.insert(all.end(), overrides.begin(), overrides.end());
    return parse_config(text, "test", all);
  }
  static std::filesystem::path run_folder(const std::string& name) {
    return folder_->path() / name;
  }
  static std::filesystem::path checkpoint(const std::string& name, int step = 12) {
    return run_folder(name) / "checkpoints" / fmt::format("step-{:08}", step);
  }
  // Weights, running statistics, optimizer state and average after a step.
  static std::string bytes_of(const std::string& name, int step = 12) {
    const std::filesystem::path folder = checkpoint(name, step);
    std::string bytes =
        read_file(folder / "model.safetensors") + read_file(folder / "state.safetensors");
    const std::filesystem::path average = folder / "ema.safetensors";
    if (std::filesystem::exists(average)) bytes += read_file(average);
    return bytes;
  }
  // What the run measured at each step and evaluation, as exact as it was written.
  static std::vector<std::string> losses_of(const std::string& name) {
    std::vector<std::string> losses;
    std::istringstream lines(read_file(run_folder(name) / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto json = nlohmann::json::parse(line);
      losses.push_back(fmt::format("{} {} {}", json["kind"].get<std::string>(),
                                   json["step"].get<int>(), json["loss"].dump()));
    }
    return losses;
  }
  static nlohmann::json status_of(const std::string& name) {
    return nlohmann::json::parse(read_file(run_folder(name) / "status.json"));
  }

  static TrainingOutcome train_on(int ranks, const Config& config,
                                  const std::function<bool(int, std::uint64_t)>& stop = {}) {
    TrainingOutcome outcome;
    on_ranks(ranks, [&](Communicator& communicator) {
      const int rank = communicator.rank();
      const TrainingOutcome mine =
          train(config, communicator, {.stop_requested = [&stop, rank](std::uint64_t step) {
                  return stop && stop(rank, step);
                }});
      if (rank == 0) outcome = mine;
    });
    return outcome;
  }

  static inline TemporaryFolder* folder_ = nullptr;
};

}  // namespace convoy::test
