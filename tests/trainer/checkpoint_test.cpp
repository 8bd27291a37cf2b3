// Checkpoints: whole or refused, whichever byte is wrong; old ones go only when they may.
#include "trainer/checkpoint.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "ops/core/check.h"
#include "ops/core/file.h"
#include "tests/trainer/small_checkpoint.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

constexpr const char* files[] = {"ema.safetensors", "manifest.json", "model.safetensors",
                                 "progress.json", "state.safetensors"};

void put_file(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

class Checkpoint : public testing::Test {
 protected:
  void save(std::uint64_t step, int keep = 10) {
    save_checkpoint(folder(), snapshot_of(step), keep);
  }
  fs::path folder() const { return temporary_.path() / "run" / "checkpoints"; }
  fs::path step(int number) const { return folder() / fmt::format("step-{:08}", number); }

 private:
  TemporaryFolder temporary_;
};

// What is written to standard error while `action` runs.
template <class Action>
std::string said_by(Action action) {
  testing::internal::CaptureStderr();
  action();
  return testing::internal::GetCapturedStderr();
}

std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_F(Checkpoint, HoldsEverything) {
  save(7);
  EXPECT_EQ(names_in(folder()), Names{"step-00000007"});
  EXPECT_EQ(names_in(step(7)), Names(std::begin(files), std::end(files)));
  const LoadedCheckpoint loaded = load_checkpoint(step(7));
  EXPECT_TRUE(equal(loaded, snapshot_of(7)));
  EXPECT_EQ(loaded.folder, step(7));
  EXPECT_EQ(loaded.model.metadata(), (Metadata{{"format", "pt"}}));
}

TEST_F(Checkpoint, HoldsAnAverageOnlyIfThereIsOne) {
  save(7);
  Snapshot plain = snapshot_of(8);
  plain.average.clear();
  save_checkpoint(folder(), plain, 10);
  EXPECT_EQ(names_in(step(8)), Names(std::begin(files) + 1, std::end(files)));
  EXPECT_FALSE(load_checkpoint(step(8)).average);
  EXPECT_TRUE(load_checkpoint(step(7)).average);
}

TEST_F(Checkpoint, EqualStatesGiveEqualBytes) {
  save(7);
  Snapshot again = snapshot_of(7);
  again.progress.restarts = 5;
  again.progress.position = 1;
  save_checkpoint(folder() / "again", again, 1);
  for (const char* name : {"model.safetensors", "state.safetensors", "ema.safetensors"}) {
    EXPECT_EQ(read_file(step(7) / name), read_file(folder() / "again/step-00000007" / name));
  }
  EXPECT_NE(load_checkpoint(step(7)).digest, load_newest(folder() / "again")->digest);
}

TEST_F(Checkpoint, ProgressTakesAnyNumberAndText) {
  Snapshot snapshot = snapshot_of(std::numeric_limits<std::uint64_t>::max());
  snapshot.progress.metrics["nan"] = std::nan("");
  snapshot.progress.metrics["inf"] = std::numeric_limits<double>::infinity();
  snapshot.progress.model = "not \xff UTF-8";
  save_checkpoint(folder(), snapshot, 1);
  const Progress loaded = load_newest(folder())->progress;
  EXPECT_EQ(loaded.step, snapshot.progress.step);
  EXPECT_TRUE(std::isnan(loaded.metrics.at("nan")));
  EXPECT_TRUE(std::isnan(loaded.metrics.at("inf")));
  EXPECT_EQ(loaded.metrics.at("loss"), 1e-300);
  EXPECT_EQ(loaded.model, "not \xef\xbf\xbd UTF-8");
}

TEST_F(Checkpoint, ThereMayBeNone) {
  EXPECT_FALSE(load_newest(folder()));
  fs::create_directories(folder() / "step-1");  // no name of ours
  fs::create_directories(folder() / "step-00000001.tmp.host.1");
  put_file(folder() / "notes.txt", "");
  EXPECT_FALSE(load_newest(folder()));
}

TEST_F(Checkpoint, NewestIsByStepNotByName) {
  save(99'999'999);
  save(100'000'000);
  EXPECT_EQ(newest_step(folder()), 100'000'000u);
}

TEST_F(Checkpoint, KeepsTheNewest) {
  for (int i = 1; i <= 5; ++i) save(i, 3);
  EXPECT_EQ(names_in(folder()), (Names{"step-00000003", "step-00000004", "step-00000005"}));
  save(6, 1);
  EXPECT_EQ(names_in(folder()), Names{"step-00000006"});
}

// A run that went back behind damaged checkpoints must not lose what it writes to them.
TEST_F(Checkpoint, PruningCountsNothingLater) {
  save(10);
  save(20);
  put_file(step(20) / "state.safetensors", "damaged");
  save(15, 1);
  EXPECT_EQ(names_in(folder()), (Names{"step-00000015", "step-00000020"}));
  EXPECT_EQ(newest_step(folder()), 15u);
}

TEST_F(Checkpoint, ReplacesOneOfTheSameStep) {
  save(10);
  Snapshot other = snapshot_of(10);
  other.progress.restarts = 3;
  save_checkpoint(folder(), other, 3);
  EXPECT_EQ(load_newest(folder())->progress.restarts, 3);
  put_file(step(10) / "model.safetensors", "damaged");
  save(10);
  EXPECT_EQ(newest_step(folder()), 10u);
  EXPECT_EQ(names_in(folder()), Names{"step-00000010"});
}

// Every bit of every file counts.
TEST_F(Checkpoint, OneFlippedBitIsNoticed) {
  save(1);
  save(2);
  std::size_t bytes = 0;
  const auto flip_each_bit = [&](const char* name, const std::string& good) {
    for (std::size_t at = 0; at < good.size(); ++at, ++bytes) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
        put_file(step(2) / name, bad);
        try {
          load_checkpoint(step(2));
          FAIL() << name << " with bit " << bit << " of byte " << at << " flipped is accepted";
        } catch (const Error& error) {
          const std::string message = error.what();
          ASSERT_EQ(error.code(), ExitCode::data) << message;
          ASSERT_EQ(message.find('\n'), std::string::npos) << message;
        }
      }
      ASSERT_EQ(newest_step(folder()), 1u) << name << " with byte " << at << " changed";
    }
  };
  for (const char* name : files) {
    const std::string good = read_file(step(2) / name);
    const std::string said = said_by([&] { flip_each_bit(name, good); });
    EXPECT_EQ(occurrences(said, "checkpoint not used: " + step(2).string()), good.size());
    EXPECT_EQ(occurrences(said, "going back to step 1, the newest whole"), good.size());
    put_file(step(2) / name, good);
    ASSERT_EQ(newest_step(folder()), 2u);
  }
  EXPECT_GT(bytes, 1000u);
}

TEST_F(Checkpoint, OneCutOrLongerFileIsNoticed) {
  save(1);
  save(2);
  for (const char* name : files) {
    const std::string good = read_file(step(2) / name);
    for (std::size_t size = 0; size < good.size(); ++size) {
      put_file(step(2) / name, good.substr(0, size));
      EXPECT_THROW(load_checkpoint(step(2)), Error) << name << " cut to " << size;
    }
    for (const char* more : {"x", "\n", " "}) {
      put_file(step(2) / name, good + more);
      EXPECT_THROW(load_checkpoint(step(2)), Error) << name;
    }
    fs::remove(step(2) / name);
    said_by([&] { EXPECT_EQ(newest_step(folder()), 1u); });
    fs::create_directory(step(2) / name);
    said_by([&] { EXPECT_EQ(newest_step(folder()), 1u); });
    fs::remove(step(2) / name);
    put_file(step(2) / name, good);
  }
  EXPECT_EQ(newest_step(folder()), 2u);
}

TEST_F(Checkpoint, FilesOfTwoCheckpointsDoNotMix) {
  save(1);
  save(2);
  for (const char* name : files) {
    const std::string good = read_file(step(2) / name);
    put_file(step(2) / name, read_file(step(1) / name));
    EXPECT_THROW(load_checkpoint(step(2)), Error) << name;
    put_file(step(2) / name, good);
  }
  fs::rename(step(2), step(3));  // whole, but not of step 3
  said_by([&] { EXPECT_EQ(newest_step(folder()), 1u); });
  EXPECT_TRUE(equal(load_checkpoint(step(3)), snapshot_of(2)));
}

TEST_F(Checkpoint, NoneWholeIsAnErrorAndNotANewStart) {
  save(1);
  save(2);
  put_file(step(1) / "manifest.json", "{}");
  put_file(step(2) / "manifest.json", "");
  said_by([&] {
    try {
      load_newest(folder());
      ADD_FAILURE() << "nothing thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::data);
      EXPECT_TRUE(std::string(error.what())
                      .starts_with(folder().string() +
                                   ": has 2 checkpoints, none of them whole; the last tried: " +
                                   step(1).string()))
          << error.what();
    }
  });
}

TEST_F(Checkpoint, AnotherFormatIsNamed) {
  save(1);
  std::string manifest = read_file(step(1) / "manifest.json");
  manifest.replace(manifest.find("checkpoint/1"), 12, "checkpoint/2");
  put_file(step(1) / "manifest.json", manifest);
  try {
    load_checkpoint(step(1));
    ADD_FAILURE() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              (step(1) / "manifest.json").string() +
                  ": is of format \"convoy-checkpoint/2\", expected convoy-checkpoint/1");
  }
}

TEST_F(Checkpoint, CleaningTakesLeftoversAlone) {
  save(1);
  for (const char* name : {"step-00000002.tmp.host.77", "step-00000001.trash.other-host.5"}) {
    fs::create_directories(folder() / name);
    put_file(folder() / name / "model.safetensors", "half");
  }
  fs::create_directories(folder() / "mine.tmp.host.77");
  fs::create_directories(folder() / "step-00000001.copy");
  clean_checkpoints(folder());
  EXPECT_EQ(names_in(folder()), (Names{"mine.tmp.host.77", "step-00000001", "step-00000001.copy"}));
  clean_checkpoints(folder() / "missing");
}

TEST_F(Checkpoint, AFolderThatCannotBeWrittenIsNamed) {
  fs::create_directories(folder().parent_path());
  put_file(folder(), "a file, not a folder");
  try {
    save(1);
    ADD_FAILURE() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::storage);
    EXPECT_TRUE(std::string(error.what()).starts_with(folder().string())) << error.what();
    EXPECT_TRUE(std::string(error.what()).ends_with("cannot create: File exists")) << error.what();
  }
}

}  // namespace
}  // namespace convoy
