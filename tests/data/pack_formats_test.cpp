// Formats packed and read back: ILSVRC2012's tars, CIFAR's files, tables; and what other programs
// see of the result.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "data/dataset.h"
#include "data/jpeg.h"
#include "data/pack.h"
#include "data/verify.h"
#include "tests/data/archives.h"
#include "tests/data/files.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// What a command prints, or "" if it fails.
std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = ::popen((command + " 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return "";
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  return ::pclose(pipe) == 0 ? text : "";
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

class PackFormats : public testing::Test {
 protected:
  std::string jpeg(int i) const {
    return text_of(encode_jpeg(noise_image(20 + i, 30, 3, 5u + i), 90));
  }
  fs::path write(const std::string& name, std::string_view text) const {
    write_text(folder.path() / name, text);
    return folder.path() / name;
  }
  void pack_into(const fs::path& path, const SourceOptions& source, PackOptions options = {}) {
    options.output = path;
    options.shard_bytes = 4'000;
    pack(source, options);
    EXPECT_THAT(verify(path, 2).problems, IsEmpty());
  }

  TemporaryFolder folder;
  fs::path output = folder.path() / "set";
};

TEST_F(PackFormats, TarOfTarsIsPackedAsItsFolders) {
  std::vector<std::pair<std::string, std::string>> classes;
  for (int c = 0; c < 3; ++c) {
    std::vector<std::pair<std::string, std::string>> images;
    for (int i = 0; i < 4; ++i) {
      images.emplace_back(fmt::format("n{}_{}.JPEG", c, i), jpeg(4 * c + i));
      write(fmt::format("folders/n{}/n{}_{}.JPEG", c, c, i), images.back().second);
    }
    classes.emplace_back(fmt::format("n{}.tar", c), tar_of(images));
  }
  pack_into(output, {.path = write("train.tar", tar_of(classes))});
  pack_into(folder.path() / "other", {.path = folder.path() / "folders"});
  EXPECT_TRUE(contents(output) == contents(folder.path() / "other"));

  // Validation images without folders, with labels as numbers of the development kit.
  const fs::path val = write("val.tar", tar_of({{"v2.JPEG", jpeg(1)}, {"v1.JPEG", jpeg(2)}}));
  const SourceOptions source{.path = val,
                             .labels = write("labels.txt", "2\n1\n"),
                             .label_map = write("map.csv", "1,n2\n2,n0\n3,n1\n")};
  pack_into(output, source, {.split = "val", .mix = false});
  const Dataset dataset(output, "val");
  EXPECT_THAT(dataset.class_names(), ElementsAre("n0", "n1", "n2"));
  EXPECT_EQ(dataset.name(0), "v1.JPEG");
  EXPECT_EQ(dataset.sample(0).label, 0);
  EXPECT_EQ(dataset.sample(1).label, 2);
  std::vector<std::byte> buffer;
  EXPECT_EQ(text_of(dataset.read(1, buffer)), jpeg(1));
}

TEST_F(PackFormats, CifarBecomesRawPixels) {
  write_gzipped(folder.path() / "cifar.tar.gz",
                tar_of({{"c/train.bin", cifar_records(30, 2, 2)},
                        {"c/test.bin", cifar_records(3, 2, 2)},
                        {"c/fine_label_names.txt", "apple\nbear\n"}}));
  const fs::path tar = folder.path() / "cifar.tar.gz";
  pack_into(output, {.path = tar, .inside = "train"}, {.mix = false});
  pack_into(output, {.path = tar, .inside = "test"}, {.split = "test", .mix = false});
  const Dataset dataset(output, "train");
  EXPECT_EQ(dataset.size(), 30u);
  EXPECT_THAT(dataset.class_names(), ElementsAre("apple", "bear"));
  const Sample sample = dataset.sample(5);
  EXPECT_EQ(sample.encoding, Encoding::raw);
  EXPECT_EQ(sample.height, 32u);
  EXPECT_EQ(sample.channels, 3);
  EXPECT_EQ(sample.label, 1);
  std::vector<std::byte> buffer;
  const auto pixels = dataset.read(5, buffer);
  EXPECT_EQ(pixels[3 * 17 + 2], std::byte((5 + 2 * 1024 + 17) & 0xFF));  // blue of pixel 17
}

TEST_F(PackFormats, TableKeepsItsOrder) {
  write("b.jpg", jpeg(0));
  write("a, b.jpg", jpeg(1));
  const fs::path csv = write("list.csv", "file,label\nb.jpg,dog\n\"a, b.jpg\",cat\n");
  pack_into(output, {.path = csv}, {.mix = false});
  const Dataset dataset(output, "train");
  EXPECT_EQ(dataset.name(0), "b.jpg");
  EXPECT_EQ(dataset.sample(0).label, 1);
  EXPECT_EQ(dataset.name(1), "a, b.jpg");
  write("list.csv", "file,label\nb.jpg,dog\nc.jpg,cat\n");
  EXPECT_THAT(error_of(ExitCode::data, [&] { pack_into(folder.path() / "x", {.path = csv}); }),
              HasSubstr("c.jpg: is not a readable file"));
}

TEST_F(PackFormats, IsContiguousInH5dump) {
  if (output_of("h5dump --version").empty()) GTEST_SKIP() << "needs h5dump";
  write("images/cat/a.jpg", jpeg(0));
  write("images/dog/b.jpg", jpeg(1));
  pack_into(output, {.path = folder.path() / "images"});
  const std::string shard =
      output_of("h5dump -pH " + (output / "train-00000-of-00001.h5").string());
  EXPECT_EQ(count(shard, "DATASET \""), 12u);
  EXPECT_EQ(count(shard, "CONTIGUOUS"), 12u);
  EXPECT_EQ(count(shard, "OFFSET "), 12u);
  EXPECT_THAT(output_of("h5dump -pH " + (output / "manifest.h5").string()),
              testing::Not(HasSubstr("CHUNKED")));
}

TEST_F(PackFormats, TarWithAnImageOfAnotherType) {
  const fs::path tar = write("x.tar", tar_of({{"train/ants/0.jpg", jpeg(0)},
                                              {"train/ants/1.jpg", text_from_hex(one_pixel_gif)},
                                              {"train/bees/2.jpg", jpeg(2)},
                                              {"val/bees/3.jpg", jpeg(3)}}));
  const SourceOptions source{.path = tar, .inside = "train"};
  const std::string place = tar.string() + "[train/ants/1.jpg]: holds GIF, ";
  EXPECT_THAT(error_of(ExitCode::data, [&] { pack_into(output, source); }),
              testing::StartsWith(place));
  EXPECT_FALSE(fs::exists(output));
  const PackReport report = pack(source, {.output = output, .bad = BadPolicy::skip});
  EXPECT_EQ(report.left_out, 1u);
  EXPECT_EQ(report.samples, 2u);
  EXPECT_THAT(report.events, ElementsAre(testing::StartsWith(place)));
}

}  // namespace
}  // namespace convoy
