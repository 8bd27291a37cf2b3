// Packing after a kill: what was done is used, and the result is the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <functional>

#include "data/dataset.h"
#include "data/jpeg.h"
#include "data/pack.h"
#include "tests/data/files.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Some 3 KB each, and at the end one of 300 KB, in a shard of its own: the file that no killed run
// gets to write.
class PackResumeDeathTest : public testing::Test {
 protected:
  PackResumeDeathTest() {
    for (int i = 0; i < 40; ++i) {
      write_text(folders / fmt::format("cat/{:03}.jpg", i),
                 text_of(encode_jpeg(noise_image(40, 40 + i, 3, 7u + i), 90)));
    }
    write_text(folders / "cat/999.jpg", text_of(encode_jpeg(noise_image(500, 500, 3), 90)));
    pack_into(folder.path() / "whole");
    whole = contents(folder.path() / "whole");
  }

  PackReport pack_into(const fs::path& path) const {
    PackOptions changed = options;
    changed.output = path;
    return pack({.path = folders}, changed);
  }
  // Ends in the middle of the last shard, without a chance to clean up.
  void kill_while_packing() const {
    const auto pack_until_killed = [&] {
      const rlimit limit{100'000, 100'000};
      setrlimit(RLIMIT_FSIZE, &limit);
      pack_into(output);
    };
    EXPECT_EXIT(pack_until_killed(), testing::KilledBySignal(SIGXFSZ), "");
  }
  static ino_t number_of(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
    return status.st_ino;
  }
  std::string shard(int i) const { return fmt::format("train-{:05}-of-{:05}.h5", i, shards()); }
  int shards() const { return static_cast<int>(whole.size()) - 1; }

  TemporaryFolder folder;
  fs::path folders = folder.path() / "images";
  fs::path output = folder.path() / "set";
  PackOptions options{.shard_bytes = 60'000, .mix = false, .threads = 2};
  std::map<std::string, std::string> whole;
};

TEST_F(PackResumeDeathTest, UsesWholeShards) {
  kill_while_packing();
  ASSERT_GT(shards(), 2);
  EXPECT_THAT(names_in(output), Not(Contains("manifest.h5")));
  ASSERT_THAT(names_in(output), Contains(shard(0) + ".staged"));
  const ino_t before = number_of(output / (shard(0) + ".staged"));
  pack_into(output);
  EXPECT_TRUE(contents(output) == whole);
  EXPECT_EQ(number_of(output / shard(0)), before);
}

TEST_F(PackResumeDeathTest, SeesDamageToWholeShards) {
  kill_while_packing();
  const fs::path staged = output / (shard(0) + ".staged");
  const ino_t before = number_of(staged);
  flip(staged, fs::file_size(staged) / 2);
  pack_into(output);
  EXPECT_TRUE(contents(output) == whole);
  EXPECT_NE(number_of(output / shard(0)), before);
}

TEST_F(PackResumeDeathTest, UsesTheJournal) {
  kill_while_packing();
  // Not seen by a run that believes the journal, until the file is copied.
  const fs::path changed = folders / "cat/999.jpg";
  const auto time = fs::last_write_time(changed);
  flip(changed, fs::file_size(changed) - 1);
  fs::last_write_time(changed, time);
  EXPECT_THAT(error_of(ExitCode::data, [&] { pack_into(output); }),
              HasSubstr("999.jpg: changed while it was being packed"));
  EXPECT_THAT(names_in(output), IsEmpty());  // an error that is told leaves nothing
}

TEST_F(PackResumeDeathTest, PassesOverADamagedJournal) {
  kill_while_packing();
  const fs::path journal = output / "train.journal.staged";
  const std::uint64_t size = fs::file_size(journal);
  flip(journal, size - 10);
  pack_into(output);
  EXPECT_TRUE(contents(output) == whole);
  fs::remove_all(output);
  kill_while_packing();
  fs::resize_file(journal, size / 2);
  pack_into(output);
  EXPECT_TRUE(contents(output) == whole);
}

TEST_F(PackResumeDeathTest, BeginsAnewForAnotherSource) {
  kill_while_packing();
  fs::remove(folders / "cat/000.jpg");
  pack_into(output);
  pack_into(folder.path() / "other");
  EXPECT_TRUE(contents(output) == contents(folder.path() / "other"));
  EXPECT_FALSE(contents(output) == whole);
}

TEST_F(PackResumeDeathTest, BeginsAnewWithOtherOptions) {
  kill_while_packing();
  options.reencode.quality = 50;
  options.shard_bytes = 20'000;
  pack_into(output);
  pack_into(folder.path() / "other");
  EXPECT_TRUE(contents(output) == contents(folder.path() / "other"));
}

TEST_F(PackResumeDeathTest, TakesBackShardsWithoutAManifest) {
  pack_into(output);
  fs::remove(output / "manifest.h5");  // as a kill leaves it that comes just before the last name
  const ino_t before = number_of(output / shard(1));
  pack_into(output);
  EXPECT_TRUE(contents(output) == whole);
  EXPECT_EQ(number_of(output / shard(1)), before);
}

TEST_F(PackResumeDeathTest, LeavesOtherSplitsAlone) {
  kill_while_packing();
  const auto before = contents(output);
  options.split = "val";
  options.shard_bytes = 1 << 20;
  pack_into(output);
  options.split = "train";
  options.shard_bytes = 60'000;
  EXPECT_THAT(names_in(output), Contains(shard(0) + ".staged"));
  const ino_t number = number_of(output / (shard(0) + ".staged"));
  pack_into(output);
  EXPECT_EQ(number_of(output / shard(0)), number);
  EXPECT_EQ(Dataset(output, "train").size(), 41u);
}

}  // namespace
}  // namespace convoy
