// CheckpointWriter: saves beside training, one at a time; failures are counted and in the end
// fatal.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <set>

#include "ops/core/check.h"
#include "ops/core/file.h"
#include "tests/trainer/small_checkpoint.h"
#include "tests/trainer/temporary_folder.h"
#include "trainer/checkpoint.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using IfBusy = CheckpointWriter::IfBusy;

class Writer : public testing::Test {
 protected:
  fs::path folder() const { return temporary_.path() / "checkpoints"; }
  // In the way of the folder: every save fails until it is gone.
  void obstruct() { std::ofstream(folder()) << "a file"; }

 private:
  TemporaryFolder temporary_;
};

TEST_F(Writer, SavesInTheBackground) {
  CheckpointWriter writer({.folder = folder(), .keep = 2});
  EXPECT_FALSE(writer.busy());
  EXPECT_EQ(writer.durable_step(), 0u);
  for (std::uint64_t step = 1; step <= 5; ++step) {
    Snapshot snapshot = snapshot_of(step);
    EXPECT_TRUE(writer.save_async(snapshot, IfBusy::wait));
  }
  EXPECT_TRUE(writer.wait());
  EXPECT_FALSE(writer.busy());
  EXPECT_EQ(writer.durable_step(), 5u);
  EXPECT_EQ(writer.failures(), 0);
  EXPECT_EQ(newest_step(folder()), 5u);
  EXPECT_EQ(names_in(folder()), (std::vector<std::string>{"step-00000004", "step-00000005"}));
}

TEST_F(Writer, SkipsOrWaitsWhileBusy) {
  CheckpointWriter writer({.folder = folder(), .keep = 1});
  // Large enough that the second call comes while the first is being written: at once or, on a very
  // busy machine, at one of the next tries.
  constexpr int floats = 4'000'000;
  bool skipped = false;
  for (std::uint64_t step = 1; step < 20 && !skipped; step += 2) {
    Snapshot first = snapshot_of(step, floats), second = snapshot_of(step + 1, floats);
    ASSERT_TRUE(writer.save_async(first, IfBusy::wait));
    if (writer.save_async(second, IfBusy::skip)) continue;
    skipped = true;
    EXPECT_EQ(second.progress.step, step + 1) << "a skipped snapshot stays with its owner";
    EXPECT_TRUE(writer.save_async(second, IfBusy::wait));
    EXPECT_TRUE(writer.wait());
    EXPECT_EQ(newest_step(folder(), floats), step + 1);
  }
  EXPECT_TRUE(skipped);
}

TEST_F(Writer, GivesMemoryBackToBeFilledAgain) {
  CheckpointWriter writer({.folder = folder()});
  Snapshot snapshot;
  std::set<const std::byte*> seen;
  for (int step = 1; step <= 6; ++step) {
    const std::span<float> values = put_floats(snapshot.model, "w", Shape{1000});
    seen.insert(reinterpret_cast<const std::byte*>(values.data()));
    snapshot.progress.step = static_cast<std::uint64_t>(step);
    writer.save_async(snapshot, IfBusy::wait);
  }
  EXPECT_EQ(seen.size(), 2u);
}

TEST_F(Writer, EndsAfterTheSaveInFlight) {
  {
    CheckpointWriter writer({.folder = folder()});
    Snapshot snapshot = snapshot_of(1, 100'000);
    writer.save_async(snapshot);
  }
  EXPECT_EQ(newest_step(folder(), 100'000), 1u);
}

TEST_F(Writer, CountsFailuresAndGoesOn) {
  obstruct();
  CheckpointWriter writer({.folder = folder(), .keep = 1, .max_failures = 3});
  Snapshot snapshot;
  const auto save = [&](std::uint64_t step) {
    snapshot = snapshot_of(step);
    return writer.save_async(snapshot, IfBusy::wait) && writer.wait();
  };
  EXPECT_FALSE(save(1));
  EXPECT_FALSE(save(2));
  EXPECT_EQ(writer.failures(), 2);
  EXPECT_NE(writer.last_error().find(folder().string()), std::string::npos);
  fs::remove(folder());
  EXPECT_TRUE(save(3));
  EXPECT_EQ(writer.failures(), 2);
  EXPECT_EQ(writer.durable_step(), 3u);
  // Two more are again no reason to stop: only those in a row count.
  fs::remove_all(folder());
  obstruct();
  EXPECT_FALSE(save(4));
  EXPECT_FALSE(save(5));
  EXPECT_FALSE(save(6));
  try {
    save(7);
    ADD_FAILURE() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::storage);
    EXPECT_TRUE(
        std::string(error.what())
            .starts_with(folder().string() + ": 3 checkpoints in a row could not be saved: "))
        << error.what();
  }
  EXPECT_EQ(writer.failures(), 5);
}

TEST_F(Writer, WithNothingToSaveNothingIsDurable) {
  CheckpointWriter writer({.folder = folder()});
  EXPECT_FALSE(writer.wait());
}

// SIGUSR1 and SIGTERM must interrupt the training thread, not a write.
TEST_F(Writer, TakesNoSignals) {
  const CheckpointWriter writer({.folder = folder()});
  int others = 0;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(::getpid())) continue;
    std::ifstream status(task.path() / "status");
    std::string word;
    while (status >> word && word != "SigBlk:") {
    }
    std::uint64_t blocked = 0;
    status >> std::hex >> blocked;
    for (const int signal : {SIGUSR1, SIGTERM, SIGINT}) {
      EXPECT_TRUE(blocked >> (signal - 1) & 1) << "signal " << signal;
    }
    ++others;
  }
  EXPECT_GE(others, 1);
}

}  // namespace
}  // namespace convoy
