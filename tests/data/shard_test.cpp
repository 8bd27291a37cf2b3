// One shard: what is written is read, and no damage goes unseen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <functional>

#include "data/shard_reader.h"
#include "data/shard_writer.h"
#include "ops/core/checksum.h"
#include "tests/data/files.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Three raw grey images of 4 x 3 pixels.
struct Contents {
  ShardHeader header{.split = "train",
                     .shard_index = 1,
                     .shard_count = 4,
                     .first_sample_id = 100,
                     .pack_options = R"({"seed": 3})",
                     .pixels = {.mean = {0.25, 0.5, 0.75}, .std = {1, 2, 3}},
                     .class_names = {"cat", "dog"}};
  ShardIndex index;
  std::vector<std::byte> images;

  Contents() {
    for (unsigned i = 0; i < 3; ++i) {
      for (unsigned p = 0; p < 12; ++p) images.push_back(std::byte(16 * i + p));
      index.offsets.push_back(images.size());
      index.labels.push_back(static_cast<std::int32_t>(i) - 1);
      index.sample_ids.push_back(100 + i);
      index.height.push_back(4);
      index.width.push_back(3);
      index.channels.push_back(1);
      index.encoding.push_back(0);
      index.crc32c.push_back(crc32c(std::span(images).last(12)));
      index.names_bytes.insert(index.names_bytes.end(), i, static_cast<std::uint8_t>('a' + i));
      index.names_offsets.push_back(index.names_bytes.size());
    }
  }
  void write(const fs::path& path) const {
    ShardWriter shard(path, header, index);
    shard.write(images, 0);
    shard.finish();
  }
};

// All that a reader gives, in one text.
std::string all_of(const ShardReader& shard) {
  const ShardHeader& header = shard.header();
  const ShardIndex& index = shard.index();
  std::string all = fmt::format("{} {} {} {} {} {} {} {} ", header.split, header.shard_index,
                                header.shard_count, header.first_sample_id, header.pack_options,
                                header.jpeg_policy, header.pixels.mean[2], header.pixels.std[2]);
  for (const std::string& name : header.class_names) all += name + ",";
  std::vector<std::byte> buffer;
  for (std::uint64_t i = 0; i < index.samples(); ++i) {
    all += fmt::format("{} {} {}x{}x{} {} {}", shard.place(i), index.labels[i], index.height[i],
                       index.width[i], index.channels[i], index.encoding[i], index.sample_ids[i]);
    all += text_of(shard.read(i, buffer));
  }
  return all;
}

TEST(Shard, WhatIsWrittenIsRead) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "train-00001-of-00004.h5";
  const Contents contents;
  contents.write(path);
  const ShardReader shard(path);
  EXPECT_EQ(shard.header().split, "train");
  EXPECT_EQ(shard.header().shard_index, 1u);
  EXPECT_EQ(shard.header().shard_count, 4u);
  EXPECT_EQ(shard.header().first_sample_id, 100u);
  EXPECT_EQ(shard.header().pack_options, contents.header.pack_options);
  EXPECT_EQ(shard.header().jpeg_policy, "verbatim");
  EXPECT_EQ(shard.header().pixels.mean, contents.header.pixels.mean);
  EXPECT_EQ(shard.header().pixels.std, contents.header.pixels.std);
  EXPECT_EQ(shard.header().class_names, contents.header.class_names);
  EXPECT_EQ(shard.index().labels, contents.index.labels);
  EXPECT_EQ(shard.index().sample_ids, contents.index.sample_ids);
  EXPECT_EQ(shard.index().name(0), "");
  EXPECT_EQ(shard.index().name(2), "cc");
  EXPECT_EQ(shard.place(2), "train-00001-of-00004.h5[2] (cc)");
  std::vector<std::byte> buffer(5);
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(text_of(shard.read(i, buffer)),
              text_of(std::span(contents.images).subspan(12 * i, 12)));
  }
}

TEST(Shard, SameInputSameBytes) {
  const TemporaryFolder folder;
  Contents().write(folder.path() / "first.h5");
  Contents().write(folder.path() / "second.h5");
  EXPECT_EQ(read_file(folder.path() / "first.h5"), read_file(folder.path() / "second.h5"));
}

TEST(Shard, NamesTheImageThatIsDamaged) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "shard.h5";
  const Contents contents;
  contents.write(path);
  flip(path, read_file(path).find(text_of(contents.images)) + 30, 1);
  const ShardReader shard(path);
  std::vector<std::byte> buffer;
  EXPECT_NO_THROW(shard.read(1, buffer));
  EXPECT_THAT(error_of(ExitCode::data, [&] { shard.read(2, buffer); }),
              testing::MatchesRegex("shard.h5\\[2\\] \\(cc\\): the image is damaged: its checksum "
                                    "is [0-9a-f]+, expected [0-9a-f]+"));
}

// Each byte in turn: it is either an error, or was of no account.
TEST(Shard, NoFlippedByteGoesUnseen) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "shard.h5";
  Contents().write(path);
  const std::string whole = all_of(ShardReader(path));
  const std::uint64_t bytes = fs::file_size(path);
  std::uint64_t errors = 0;
  for (std::uint64_t at = 0; at < bytes; ++at) {
    const int bits = at % 2 == 0 ? 0xFF : 1 << (at / 2 % 8);
    flip(path, at, bits);
    try {
      EXPECT_EQ(all_of(ShardReader(path)), whole) << "byte " << at << " flipped by " << bits;
    } catch (const Error& error) {
      ++errors;
      EXPECT_EQ(error.code(), ExitCode::data);
      EXPECT_THAT(error.what(), HasSubstr("shard.h5"));
    }
    flip(path, at, bits);
  }
  EXPECT_GT(errors, bytes / 2);
  EXPECT_EQ(all_of(ShardReader(path)), whole);
}

TEST(Shard, NoCutGoesUnseen) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "shard.h5";
  Contents().write(path);
  const std::string whole = read_file(path);
  for (std::uint64_t bytes = 0; bytes < whole.size(); bytes += 41) {
    write_text(path, std::string_view(whole).substr(0, bytes));
    EXPECT_THAT(error_of(ExitCode::data, [&] { all_of(ShardReader(path)); }),
                HasSubstr("shard.h5"));
  }
}

TEST(Shard, NamesAnotherVersion) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "shard.h5";
  Contents().write(path);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  const hid_t attribute = H5Aopen(file, "format", H5P_DEFAULT);
  const hid_t type = H5Aget_type(attribute);
  H5Awrite(attribute, type, "convoy-shard/2.0");
  H5Tclose(type);
  H5Aclose(attribute);
  H5Fclose(file);
  EXPECT_THAT(error_of(ExitCode::data, [&] { ShardReader shard(path); }),
              HasSubstr("its format is \"convoy-shard/2.0\", expected \"convoy-shard/1.x\""));
}

// Whole files by a writer that is wrong.
struct WrongCase {
  const char* name;
  std::function<void(Contents&)> spoil;
  const char* error;
};

const std::vector<WrongCase> wrong_cases{
    {"LabelTooLarge", [](Contents& it) { it.index.labels[2] = 2; },
     "shard.h5[2] (cc): label out of range: 2, expected -1 to 1"},
    {"LabelTooSmall", [](Contents& it) { it.index.labels[1] = -2; },
     "shard.h5[1] (b): label out of range: -2, expected -1 to 1"},
    {"SampleId", [](Contents& it) { it.index.sample_ids[1] = 7; },
     "[1] (b): sample id 7, expected 101"},
    {"Encoding", [](Contents& it) { it.index.encoding[1] = 5; }, "[1] (b): unknown encoding 5"},
    {"FeaturesSize", [](Contents& it) { it.index.encoding[1] = 4; }, "12 bytes of 4x3 features"},
    {"Channels", [](Contents& it) { it.index.channels[1] = 2; }, "[1] (b): 2 channels"},
    {"NoPixels", [](Contents& it) { it.index.width[1] = 0; }, "[1] (b): 4 by 0 pixels"},
    {"RawSize", [](Contents& it) { it.index.height[1] = 3; }, "12 bytes of 3x3x1 raw pixels"},
    {"RawSizeThatOverflows",
     [](Contents& it) {
       it.index.height[1] = it.index.width[1] = ~0u;
       it.index.channels[1] = 3;
     },
     "12 bytes of 4294967295x4294967295x3 raw pixels"},
    {"Empty",
     [](Contents& it) {
       it.index.offsets[2] = 12;
       it.index.encoding[1] = 1;
     },
     "[1] (b): no bytes"},
    {"OffsetsDescend", [](Contents& it) { it.index.offsets[1] = 30; },
     "shard.h5: offsets do not ascend from 0 to 36"},
    {"OffsetsBegin", [](Contents& it) { it.index.offsets[0] = 1; }, "offsets do not ascend"},
    {"NamesBeyondTheEnd", [](Contents& it) { it.index.names_offsets[3] = 9; },
     "names_offsets do not ascend from 0 to 3"},
    {"FewLabels", [](Contents& it) { it.index.labels.pop_back(); },
     "offsets has 4 elements, expected 3"},
    {"FewHeights", [](Contents& it) { it.index.height.pop_back(); },
     "height has 2 elements, expected 3"},
    {"NoNamesOffsets", [](Contents& it) { it.index.names_offsets.clear(); },
     "names_offsets has 0 elements, expected 4"},
};

class Wrong : public testing::TestWithParam<WrongCase> {};

TEST_P(Wrong, IsNamed) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "shard.h5";
  Contents contents;
  GetParam().spoil(contents);
  contents.write(path);
  EXPECT_THAT(error_of(ExitCode::data, [&] { ShardReader shard(path); }),
              HasSubstr(GetParam().error));
}
INSTANTIATE_TEST_SUITE_P(All, Wrong, testing::ValuesIn(wrong_cases),
                         [](const auto& it) { return it.param.name; });

}  // namespace
}  // namespace convoy
