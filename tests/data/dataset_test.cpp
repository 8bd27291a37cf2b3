// Opening a split: everything that can be wrong with a folder of shards is said when it is opened.
#include "data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "data/inspect.h"
#include "data/manifest.h"
#include "tests/data/files.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

// Twelve raw images of three classes in two shards, in the source's order.
class Opening : public testing::Test {
 protected:
  Opening() {
    const fs::path images = write_idx(source.path(), 12);
    pack(images, "", {.output = folder, .split = "train", .shard_bytes = 72, .mix = false});
  }
  std::string error() const {
    return error_of(ExitCode::data, [&] { Dataset(folder, "train"); });
  }

  TemporaryFolder source, parent;
  fs::path folder = parent.path() / "set";
  fs::path first = folder / "train-00000-of-00002.h5";
  fs::path second = folder / "train-00001-of-00002.h5";
};

TEST_F(Opening, GivesEverySample) {
  const Dataset dataset(folder, "train");
  ASSERT_EQ(dataset.size(), 12u);
  EXPECT_EQ(dataset.classes(), 3);
  EXPECT_THAT(dataset.class_names(), ElementsAre("0", "1", "2"));
  EXPECT_EQ(dataset.split(), "train");
  EXPECT_EQ(dataset.fingerprint().size(), 64u);
  EXPECT_EQ(dataset.place(7), "train-00001-of-00002.h5[1] (some-images-idx3-ubyte[7])");
  EXPECT_EQ(dataset.name(7), "some-images-idx3-ubyte[7]");
  std::vector<std::byte> buffer;
  for (std::uint64_t i = 0; i < 12; ++i) {
    const Sample sample = dataset.sample(i);
    EXPECT_EQ(sample.id, i);
    EXPECT_EQ(sample.label, static_cast<int>(i % 3));
    EXPECT_EQ(sample.height, 4u);
    EXPECT_EQ(sample.width, 3u);
    EXPECT_EQ(sample.channels, 1);
    EXPECT_EQ(sample.encoding, Encoding::raw);
    EXPECT_EQ(sample.bytes, 12u);
    EXPECT_EQ(text_of(dataset.read(i, buffer)), idx_images(12).substr(16 + 12 * i, 12));
  }
  EXPECT_THAT(error_of(ExitCode::internal, [&] { dataset.sample(12); }),
              HasSubstr("no sample 12 among 12"));
  EXPECT_THAT(splits_of(folder), ElementsAre("train"));
}

TEST_F(Opening, ReadsFromManyThreads) {
  const Dataset dataset(folder, "train");
  const std::string expected = idx_images(12);
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      std::vector<std::byte> buffer;
      for (std::uint64_t i = 0; i < 1200; ++i) {
        EXPECT_EQ(text_of(dataset.read(i % 12, buffer)), expected.substr(16 + i % 12 * 12, 12));
      }
    });
  }
}

TEST_F(Opening, NamesWhatIsMissing) {
  EXPECT_THAT(error_of(ExitCode::data, [&] { Dataset(folder, "test"); }),
              HasSubstr("manifest.h5: has no split \"test\", only train"));
  EXPECT_THAT(error_of(ExitCode::data, [&] { splits_of(source.path()); }),
              HasSubstr("is not a packed data set: it has no manifest.h5"));
  EXPECT_THAT(error_of(ExitCode::data, [&] { splits_of("/nowhere"); }),
              HasSubstr("/nowhere: is not a packed data set"));
  const std::uint64_t bytes = fs::file_size(second);
  fs::remove(second);
  EXPECT_EQ(error(), fmt::format("{}: shard missing: No such file or directory, expected {} bytes",
                                 second.string(), bytes));
}

TEST_F(Opening, NamesShardsOfAnotherSize) {
  const std::uint64_t bytes = fs::file_size(second);
  fs::resize_file(second, bytes - 1);
  EXPECT_EQ(error(), fmt::format("{}: shard cut short: it has {} bytes, expected {}",
                                 second.string(), bytes - 1, bytes));
  fs::resize_file(second, bytes + 1);
  EXPECT_THAT(error(), HasSubstr("shard has grown"));
  fs::resize_file(second, 0);
  EXPECT_THAT(error(), HasSubstr("shard cut short: it has 0 bytes"));
}

TEST_F(Opening, NamesShardsThatAreNotTheListedOnes) {
  ASSERT_EQ(fs::file_size(first), fs::file_size(second));
  fs::copy_file(first, second, fs::copy_options::overwrite_existing);
  EXPECT_THAT(error(),
              HasSubstr("train-00001-of-00002.h5: is not the shard that manifest.h5 lists"));
}

TEST_F(Opening, NamesTheSampleThatIsDamaged) {
  flip(second, read_file(second).find(idx_images(12).substr(16 + 12 * 7, 12)));
  const Dataset dataset(folder, "train");
  std::vector<std::byte> buffer;
  EXPECT_NO_THROW(dataset.read(8, buffer));
  EXPECT_THAT(error_of(ExitCode::data, [&] { dataset.read(7, buffer); }),
              HasSubstr("train-00001-of-00002.h5[1] (some-images-idx3-ubyte[7]): the image is "
                        "damaged: its checksum is "));
}

// All that a manifest says, in one text.
std::string all_of(const Manifest& manifest) {
  std::string all;
  for (const std::string& name : manifest.class_names) all += name + ",";
  for (const ManifestSplit& split : manifest.splits) {
    all += fmt::format("{} {} {} ", split.name, split.pixels.mean[0], split.pixels.std[2]);
    for (const std::uint64_t count : split.label_histogram) all += fmt::format("{},", count);
    for (const ManifestShard& shard : split.shards) {
      all += fmt::format("{} {} {} {} {} ", shard.file, shard.bytes, shard.samples, shard.sha256,
                         shard.index_crc32c);
    }
  }
  return all;
}

// Each byte in turn: it is either an error, or was of no account.
TEST_F(Opening, NoFlippedByteOfTheManifestGoesUnseen) {
  const fs::path path = folder / "manifest.h5";
  const std::string whole = all_of(read_manifest(folder));
  const std::uint64_t bytes = fs::file_size(path);
  std::uint64_t errors = 0;
  for (std::uint64_t at = 0; at < bytes; ++at) {
    const int bits = at % 2 == 0 ? 0xFF : 1 << (at / 2 % 8);
    flip(path, at, bits);
    try {
      EXPECT_EQ(all_of(read_manifest(folder)), whole) << "byte " << at << " flipped by " << bits;
    } catch (const Error& error) {
      ++errors;
      EXPECT_EQ(error.code(), ExitCode::data);
      EXPECT_THAT(error.what(), HasSubstr("manifest.h5: "));
    }
    flip(path, at, bits);
  }
  EXPECT_GT(errors, bytes / 3);
}

TEST_F(Opening, FingerprintsTellDataApart) {
  const std::string fingerprint = Dataset(folder, "train").fingerprint();
  const auto fingerprint_of = [&](std::uint32_t classes, std::uint64_t seed) {
    const TemporaryFolder other;
    const fs::path images = write_idx(source.path(), 12, classes);
    pack(images, "", {.output = other.path(), .shard_bytes = 72, .seed = seed, .mix = seed != 0});
    return Dataset(other.path(), "train").fingerprint();
  };
  EXPECT_EQ(fingerprint_of(3, 0), fingerprint);
  EXPECT_NE(fingerprint_of(2, 0), fingerprint);
  EXPECT_NE(fingerprint_of(3, 1), fingerprint);
}

TEST_F(Opening, IsDescribed) {
  const std::string text = describe_dataset(folder);
  EXPECT_THAT(text, HasSubstr("convoy-manifest/1.0, 3 classes\nsplit train: 12 samples\n"));
  EXPECT_THAT(text, HasSubstr("2 files"));
  EXPECT_THAT(text, HasSubstr("12 raw grey; 12 bytes each"));
  EXPECT_THAT(text, HasSubstr("height     4\n  width      3\n"));
  EXPECT_THAT(text, HasSubstr("4 to 4 samples per class"));
}

}  // namespace
}  // namespace convoy
