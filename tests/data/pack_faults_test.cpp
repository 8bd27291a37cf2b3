// Packing what cannot be packed: senseless options, bad files, places that cannot be written. Each
// is named, and nothing is half-written.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdlib>

#include "data/dataset.h"
#include "data/verify.h"
#include "tests/data/pack_fixture.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using test::Pack;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(Pack, RefusesSenselessOptions) {
  write_class_folders(folders);
  for (const char* split : {"", "a/b", "..", "class_names", "a b"}) {
    EXPECT_THAT(error({.split = split}, ExitCode::usage), HasSubstr("expected a name of letters"));
  }
  EXPECT_THAT(error({.threads = 0}, ExitCode::usage), HasSubstr("0 threads"));
  EXPECT_THAT(error({.shard_bytes = 0}, ExitCode::usage), HasSubstr("shards of 0 bytes"));
}

// Files that cannot be used, and what is said of them.
struct BadCase {
  const char* name;
  const char* file;
  std::string content;
  const char* error;
};

const std::vector<BadCase> bad_cases{
    {"Gif", "x.jpg", text_from_hex(one_pixel_gif), "GIF"},
    {"Empty", "x.jpg", "", "is empty, expected a JPEG or PNG image"},
    {"Text", "x.jpg", "not an image", "JPEG or PNG"},
    {"TruncatedJpeg", "x.jpg", text_from_hex(colour_jpeg).substr(0, 300), ""},
    {"TruncatedPng", "x.png", text_from_hex(colour_png).substr(0, 60), ""},
    {"TruncatedProgressive", "x.jpg", text_from_hex(progressive_jpeg).substr(0, 400), ""},
    {"TruncatedCmyk", "x.jpg", text_from_hex(cmyk_jpeg).substr(0, 200), ""},
};

class BadFile : public Pack, public testing::WithParamInterface<BadCase> {};

TEST_P(BadFile, IsNamedOrLeftOut) {
  write_class_folders(folders);
  write_text(folders / "cat" / GetParam().file, GetParam().content);
  const std::string place = (folders / "cat" / GetParam().file).string() + ": ";
  const std::string message = error({.threads = 2});
  EXPECT_THAT(message, testing::StartsWith(place));
  EXPECT_THAT(message, HasSubstr(GetParam().error));
  EXPECT_FALSE(fs::exists(output));

  const PackReport report = pack_folders({.threads = 2, .bad = BadPolicy::skip});
  EXPECT_EQ(report.samples, 5u);
  EXPECT_THAT(report.events, ElementsAre(message + " (left out)"));
  EXPECT_THAT(verify(output, 1).problems, IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(All, BadFile, testing::ValuesIn(bad_cases),
                         [](const auto& it) { return it.param.name; });

TEST_F(Pack, NamesTheFirstOfManyBadFiles) {
  for (int i = 0; i < 50; ++i) {
    write_text(folders / fmt::format("cat/{:02}.jpg", i),
               i < 20 ? text_from_hex(grey_jpeg) : std::string());
  }
  for (int i = 0; i < 5; ++i) EXPECT_THAT(error({.threads = 4}), HasSubstr("cat/20.jpg"));
  const PackReport report = pack_folders({.threads = 4, .bad = BadPolicy::skip});
  ASSERT_THAT(report.events, SizeIs(30));
  EXPECT_THAT(report.events[29], HasSubstr("cat/49.jpg"));
  EXPECT_EQ(Dataset(output, "train").size(), 20u);
}

TEST_F(Pack, NamesSourcesWithoutAnyImage) {
  write_text(folders / "cat/a.jpg", "");
  EXPECT_THAT(error({.bad = BadPolicy::skip}), HasSubstr("has no usable image among 1 files"));
  EXPECT_FALSE(fs::exists(output));
}

TEST_F(Pack, SaysWhereItCannotWrite) {
  write_class_folders(folders);
  write_text(folder.path() / "file", "in the way");
  output = folder.path() / "file/set";
  EXPECT_THAT(error({}, ExitCode::storage), HasSubstr("file/set: cannot create the folder: "));
}

TEST_F(Pack, RemovesWhatAKilledRunLeft) {
  write_class_folders(folders);
  write_text(output / "train-00000-of-00009.h5.staged", "not one of these shards");
  write_text(output / "train-00000-of-00001.h5.staged", "no shard");
  write_text(output / "train-00000-of-00001.h5.part.staged", "half a shard");
  write_text(output / "train.journal.staged", "no journal");
  write_text(output / "manifest.h5.staged", "half a manifest");
  pack_folders();
  EXPECT_THAT(names_in(output), ElementsAre("manifest.h5", "train-00000-of-00001.h5"));
}

TEST_F(Pack, LeavesNothingWhenTheManifestIsDamaged) {
  write_class_folders(folders);
  pack_folders();
  flip(output / "manifest.h5", 20);
  const auto before = contents(output);
  error({.split = "val"});
  EXPECT_TRUE(contents(output) == before);
}

using PackDeathTest = Pack;

TEST_F(PackDeathTest, LeavesNothingWhenTheDiskIsFull) {
  const fs::path images = write_idx(folder.path(), 2000);
  for (const rlim_t limit : {300, 40'000, 120'000}) {
    const auto pack_on_a_full_disk = [&] {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limits{limit, limit};
      setrlimit(RLIMIT_FSIZE, &limits);
      try {
        pack({.path = images}, {.output = output});
      } catch (const Error& error) {
        std::fputs(error.what(), stderr);
        std::exit(static_cast<int>(error.code()));
      }
      std::exit(0);
    };
    EXPECT_EXIT(pack_on_a_full_disk(), testing::ExitedWithCode(74), "set.*: .*File too large");
    EXPECT_FALSE(fs::exists(output));
  }
}

TEST_F(Pack, OnePackerAtATime) {
  const fs::path images = write_idx(folder.path(), 10);
  fs::create_directories(output);
  const FileDescriptor held(::open(output.c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  EXPECT_THAT(error_of(ExitCode::storage, [&] { pack({.path = images}, {.output = output}); }),
              HasSubstr("another process is writing into this folder"));
}

}  // namespace
}  // namespace convoy
