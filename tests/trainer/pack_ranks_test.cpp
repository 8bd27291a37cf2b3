// Packing by several ranks: the bytes of one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster/communicator.h"
#include "data/jpeg.h"
#include "data/pack.h"
#include "tests/data/files.h"
#include "tests/trainer/temporary_folder.h"
#include "trainer/pack_group.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

class PackRanks : public testing::Test {
 protected:
  PackRanks() {
    for (int i = 0; i < 90; ++i) {
      const auto jpeg = encode_jpeg(noise_image(16 + i, 24, i % 3 == 0 ? 1 : 3, 7u + i), 80);
      write_text(folders / fmt::format("{}/{:03}.jpg", i % 4, i),
                 i == 50 ? text_from_hex(progressive_jpeg) : text_of(jpeg));
    }
  }
  // Into a folder of its own; the report of every rank.
  std::vector<PackReport> pack_by(int ranks) {
    options.output = folder.path() / std::to_string(ranks);
    std::vector<PackReport> reports(static_cast<std::size_t>(ranks));
    run_local_ranks(ranks, [&](Communicator& communicator) {
      reports[static_cast<std::size_t>(communicator.rank())] =
          pack({.path = folders}, options, group_of(communicator));
    });
    return reports;
  }
  auto packed_by(int ranks) const { return contents(folder.path() / std::to_string(ranks)); }

  TemporaryFolder folder;
  fs::path folders = folder.path() / "images";
  PackOptions options{.shard_bytes = 30'000, .seed = 5, .threads = 2};
};

TEST_F(PackRanks, WriteTheSameBytes) {
  const PackReport one = pack_by(1)[0];
  EXPECT_EQ(one.samples, 90u);
  EXPECT_GT(one.shards, 3);
  for (const int ranks : {2, 3, 7}) {
    for (const PackReport& report : pack_by(ranks)) {
      EXPECT_EQ(report.samples, one.samples);
      EXPECT_EQ(report.bytes, one.bytes);
      EXPECT_EQ(report.events, one.events);
    }
    EXPECT_TRUE(packed_by(ranks) == packed_by(1)) << ranks;
  }
}

TEST_F(PackRanks, NameTheFirstOfManyBadFiles) {
  for (int i = 30; i < 90; ++i) write_text(folders / fmt::format("2/{:03}.png", i), "");
  for (const int ranks : {1, 2, 5}) {
    EXPECT_THAT(error_of(ExitCode::data, [&] { pack_by(ranks); }),
                testing::EndsWith("2/030.png: is empty, expected a JPEG or PNG image"));
    EXPECT_THAT(packed_by(ranks), IsEmpty());
  }
  options.bad = BadPolicy::skip;
  EXPECT_EQ(pack_by(1)[0].left_out, 60u);
  EXPECT_EQ(pack_by(3)[2].left_out, 60u);
  EXPECT_TRUE(packed_by(3) == packed_by(1));
}

TEST_F(PackRanks, MustSeeTheSameFiles) {
  options.output = folder.path() / "set";
  write_text(folder.path() / "more/0/000.jpg", text_from_hex(grey_jpeg));
  EXPECT_THAT(error_of(ExitCode::data,
                       [&] {
                         run_local_ranks(3, [&](Communicator& communicator) {
                           const bool last = communicator.rank() == 2;
                           pack({.path = last ? folder.path() / "more" : folders}, options,
                                group_of(communicator));
                         });
                       }),
              HasSubstr("ranks 0 and 2 find other files in it"));
  EXPECT_FALSE(fs::exists(options.output));
}

TEST_F(PackRanks, EndAlikeWhereTheOutputCannotBeWritten) {
  write_text(folder.path() / "2", "in the way");
  EXPECT_THAT(error_of(ExitCode::storage, [&] { pack_by(2); }),
              HasSubstr("cannot create the folder"));
}

}  // namespace
}  // namespace convoy
