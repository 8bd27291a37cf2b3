// Sources in archives and tables: ILSVRC2012's tars, CIFAR's files, lists of paths and labels,
// files without labels.
#include "tests/data/archives.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/sources.h"
#include "tests/data/files.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class Archives : public testing::Test {
 protected:
  fs::path write(const std::string& name, std::string_view text) const {
    write_text(folder.path() / name, text);
    return folder.path() / name;
  }
  std::unique_ptr<Source> open(SourceOptions options) const {
    options.scratch = folder.path();
    return open_source(options);
  }
  std::string error(const SourceOptions& options, ExitCode code = ExitCode::data) const {
    return error_of(code, [&] { open(options); });
  }
  static std::string bytes_of(const Source& source, std::uint64_t i) {
    std::vector<std::byte> buffer;
    return text_of(source.read(i, buffer));
  }
  // "name=label" of each sample.
  static std::vector<std::string> samples_of(const Source& source) {
    std::vector<std::string> all;
    for (std::uint64_t i = 0; i < source.size(); ++i) {
      all.push_back(fmt::format("{}={}", source.name(i), source.label(i)));
    }
    return all;
  }

  TemporaryFolder folder;
};

const std::vector<std::pair<std::string, std::string>> two_splits{{"train/cat/2.jpg", "c2"},
                                                                  {"train/cat/1.jpg", "c1"},
                                                                  {"train/dog/1.jpg", "d1"},
                                                                  {"val/cat/3.jpg", "c3"},
                                                                  {"train/note", "n"}};

TEST_F(Archives, TarOfClassFolders) {
  const fs::path tar = write("x.tar", tar_of(two_splits));
  EXPECT_THAT(error({.path = tar}, ExitCode::usage),
              HasSubstr("x.tar: has the folders train, val: which of them, by --inside?"));
  const auto source = open({.path = tar, .inside = "train/"});
  EXPECT_THAT(samples_of(*source), ElementsAre("cat/1.jpg=0", "cat/2.jpg=0", "dog/1.jpg=1"));
  EXPECT_THAT(source->class_names(), ElementsAre("cat", "dog"));
  EXPECT_EQ(bytes_of(*source, 2), "d1");
  EXPECT_EQ(source->place(2), tar.string() + "[train/dog/1.jpg]");
  EXPECT_THAT(source->events(), ElementsAre(HasSubstr("x.tar[train/note]: ignored: it is in no")));
  EXPECT_THAT(error({.path = tar, .inside = "test"}), HasSubstr("has no files in a folder test"));
  EXPECT_THAT(error({.path = tar, .inside = "train", .class_names = {"cat"}}),
              HasSubstr("x.tar[train/dog]: is none of the 1 classes"));
}

TEST_F(Archives, GzippedTarIsTheSame) {
  write_gzipped(folder.path() / "x.tgz", tar_of(two_splits));
  const auto source = open({.path = folder.path() / "x.tgz", .inside = "val"});
  EXPECT_THAT(samples_of(*source), ElementsAre("cat/3.jpg=0"));
  EXPECT_EQ(bytes_of(*source, 0), "c3");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("x.tgz"));
}

TEST_F(Archives, FolderInsideFolder) {
  for (const auto& [name, content] : two_splits) write("x/" + name, content);
  EXPECT_THAT(error({.path = folder.path() / "x"}, ExitCode::usage), HasSubstr("by --inside?"));
  EXPECT_THAT(samples_of(*open({.path = folder.path() / "x", .inside = "val"})),
              ElementsAre("cat/3.jpg=0"));
  EXPECT_THAT(error({.path = folder.path() / "x", .inside = "y"}), HasSubstr("has no folder y"));
}

TEST_F(Archives, TarOfTarsIsATarOfClassFolders) {
  const std::string tench = tar_of({{"n01440764_18.JPEG", "t18"}, {"n01440764_10026.JPEG", "t1"}});
  const std::string goldfish = tar_of({{"n01443537_1.JPEG", "g1"}});
  const fs::path tar =
      write("ILSVRC2012.tar", tar_of({{"n01443537.tar", goldfish}, {"n01440764.tar", tench}}));
  const auto source = open({.path = tar});
  EXPECT_THAT(samples_of(*source),
              ElementsAre("n01440764/n01440764_10026.JPEG=0", "n01440764/n01440764_18.JPEG=0",
                          "n01443537/n01443537_1.JPEG=1"));
  EXPECT_EQ(bytes_of(*source, 1), "t18");
  EXPECT_EQ(bytes_of(*source, 2), "g1");
  EXPECT_EQ(source->place(2), tar.string() + "[n01443537/n01443537_1.JPEG]");
  EXPECT_THAT(source->class_names(), ElementsAre("n01440764", "n01443537"));

  write("ILSVRC2012.tar", tar_of({{"a.tar", goldfish}, {"b.jpg", std::string(600, 'x')}}));
  EXPECT_THAT(error({.path = tar}), HasSubstr("ILSVRC2012.tar[b.jpg]: byte"));
  write("ILSVRC2012.tar", tar_of({{"a.tar", goldfish.substr(0, 1024)}}));
  EXPECT_THAT(error({.path = tar}), HasSubstr("ILSVRC2012.tar[a.tar]: ends at byte"));
}

// ILSVRC2012's validation images, its labels as they come in various ways.
class FlatTar : public Archives {
 protected:
  std::vector<std::string> samples(const std::string& labels, SourceOptions options = {}) const {
    options.path = tar;
    options.labels = write("labels", labels);
    return samples_of(*open(options));
  }
  std::string label_error(const std::string& labels, SourceOptions options = {}) const {
    options.path = tar;
    options.labels = write("labels", labels);
    return error(options);
  }
  fs::path tar =
      write("val.tar", tar_of({{"v_2.JPEG", "2"}, {"v_1.JPEG", "1"}, {"v_3.JPEG", "3"}}));
  const std::vector<std::string> classes{"n01", "n02", "n03"};
};

TEST_F(FlatTar, HasNoLabels) {
  const auto source = open({.path = tar});
  EXPECT_THAT(samples_of(*source), ElementsAre("v_1.JPEG=-1", "v_2.JPEG=-1", "v_3.JPEG=-1"));
  EXPECT_THAT(source->class_names(), IsEmpty());
  EXPECT_THAT(open({.path = tar, .class_names = classes})->class_names(),
              ElementsAre("n01", "n02", "n03"));
}

TEST_F(FlatTar, TakesOneLabelPerLine) {
  EXPECT_THAT(samples("n03\nn01\nn03\n", {.class_names = classes}),
              ElementsAre("v_1.JPEG=2", "v_2.JPEG=0", "v_3.JPEG=2"));
  EXPECT_THAT(samples("2\n0\n1\n", {.class_names = classes}),
              ElementsAre("v_1.JPEG=2", "v_2.JPEG=0", "v_3.JPEG=1"));
  EXPECT_THAT(samples("b\na\nb\n"), ElementsAre("v_1.JPEG=1", "v_2.JPEG=0", "v_3.JPEG=1"));
  EXPECT_THAT(label_error("n03\nn01\n", {.class_names = classes}),
              HasSubstr("labels: holds 2 labels, " + tar.string() + " has 3 files"));
  EXPECT_THAT(label_error("n03\nn04\nn01", {.class_names = classes}),
              HasSubstr("labels:2: label n04 is none of the 3 classes"));
  EXPECT_THAT(label_error("1\n3\n1", {.class_names = classes}), HasSubstr("labels:2: label 3 is"));
  EXPECT_THAT(label_error(""), HasSubstr("labels: has no rows"));
}

TEST_F(FlatTar, TranslatesNumbers) {
  // As in the development kit, which counts from 1 in an order of its own.
  const fs::path map = write("map.tsv", "1\tn03\n2\tn01\n3\tn02\n");
  EXPECT_THAT(samples("1\n2\n1\n", {.label_map = map, .class_names = classes}),
              ElementsAre("v_1.JPEG=2", "v_2.JPEG=0", "v_3.JPEG=2"));
  EXPECT_THAT(label_error("1\n4\n1\n", {.label_map = map}),
              HasSubstr("labels:2: label 4 is not in"));
  EXPECT_THAT(label_error("1\n", {.label_map = write("twice", "1,a\n1,b\n")}),
              HasSubstr("twice:2: translates 1 again"));
}

TEST_F(FlatTar, TakesATableOfFilesAndLabels) {
  const auto source = [&](const std::string& labels) {
    return open({.path = tar, .labels = write("labels", labels)});
  };
  const auto picked = source("file\tlabel\n./v_3.JPEG\tdog\nv_1.JPEG\tcat\n");
  EXPECT_THAT(samples_of(*picked), ElementsAre("v_3.JPEG=1", "v_1.JPEG=0"));
  EXPECT_EQ(bytes_of(*picked, 0), "3");
  EXPECT_THAT(picked->class_names(), ElementsAre("cat", "dog"));
  EXPECT_THAT(picked->events(), ElementsAre(HasSubstr("val.tar[v_2.JPEG]: left out")));
  EXPECT_THAT(label_error("v_1.JPEG,0\nv_9.JPEG,1\n"),
              HasSubstr("labels:2: names v_9.JPEG, which "));
  EXPECT_THAT(label_error("v_1.JPEG,0\nv_1.JPEG,1\n"), HasSubstr("labels:2: names v_1.JPEG again"));
  EXPECT_THAT(label_error("v_1.JPEG,0\nv_2.JPEG,\n"), HasSubstr("labels:2: gives no label"));
  EXPECT_THAT(label_error("v_1.JPEG,0\n,1\n"), HasSubstr("labels:2: names no file"));
}

TEST_F(Archives, TableOfPathsAndLabels) {
  write("images/a 1.jpg", "a");
  write("images/b,2.jpg", "b");
  const fs::path csv = write("list.csv", "images/a 1.jpg,7\r\n\"images/b,2.jpg\",0\r\n");
  const auto source = open({.path = csv});
  EXPECT_THAT(samples_of(*source), ElementsAre("images/a 1.jpg=7", "images/b,2.jpg=0"));
  EXPECT_THAT(source->class_names(), ElementsAre("0", "1", "2", "3", "4", "5", "6", "7"));
  EXPECT_EQ(bytes_of(*source, 1), "b");
  EXPECT_EQ(source->place(0), (folder.path() / "images/a 1.jpg").string());
  write("list.csv", "a 1.jpg,x\nb.jpg,007\n");
  const auto named = open({.path = csv, .inside = "images"});
  EXPECT_THAT(named->class_names(), ElementsAre("007", "x"));
  EXPECT_EQ(bytes_of(*named, 0), "a");
  EXPECT_THAT(error_of(ExitCode::data, [&] { bytes_of(*named, 1); }),
              HasSubstr("images/b.jpg: is not a readable file"));
  EXPECT_THAT(samples_of(*open({.path = csv, .unlabelled = true})),
              ElementsAre("a 1.jpg=-1", "b.jpg=-1"));
  // As many classes as this number says there are no memory for.
  write("list.csv", "a.jpg,2000000000\n");
  EXPECT_THAT(open({.path = csv})->class_names(), ElementsAre("2000000000"));
  write("list.csv", "a.jpg\nb.jpg\n");
  EXPECT_THAT(samples_of(*open({.path = csv})), ElementsAre("a.jpg=-1", "b.jpg=-1"));
  EXPECT_THAT(error({.path = csv, .labels = csv}, ExitCode::usage), HasSubstr("one too many"));
}

class Cifar : public Archives {
 protected:
  // Of CIFAR-10, with two classes.
  void write_files() const {
    for (int i = 1; i <= 5; ++i) {
      write(fmt::format("bin/data_batch_{}.bin", i), cifar_records(2 + i % 2, 1, 2));
    }
    write("bin/test_batch.bin", cifar_records(4, 1, 2));
    write("bin/batches.meta.txt", "airplane\nautomobile\n\n");
  }
  fs::path bin = folder.path() / "bin";
};

TEST_F(Cifar, GivesPixelsInRows) {
  write_files();
  const auto source = open({.path = bin, .inside = "train"});
  ASSERT_EQ(source->size(), 13u);
  EXPECT_THAT(source->class_names(), ElementsAre("airplane", "automobile"));
  EXPECT_EQ(source->raw()->height, 32);
  EXPECT_EQ(source->raw()->channels, 3);
  EXPECT_EQ(source->name(4), "data_batch_2.bin[1]");
  EXPECT_EQ(source->place(4), (bin / "data_batch_2.bin").string() + "[1]");
  EXPECT_EQ(source->label(4), 1);
  EXPECT_EQ(source->label(5), 0);
  const std::string pixels = bytes_of(*source, 4);
  ASSERT_EQ(pixels.size(), 3072u);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    ASSERT_EQ(pixels[i], static_cast<char>(1 + i % 3 * 1024 + i / 3)) << i;
  }
  EXPECT_EQ(open({.path = bin, .inside = "test"})->size(), 4u);
}

TEST_F(Cifar, ReadsArchives) {
  const std::string records = cifar_records(3, 2, 2);
  write_gzipped(folder.path() / "cifar-100.tar.gz",
                tar_of({{"cifar-100-binary/train.bin", records},
                        {"cifar-100-binary/test.bin", records.substr(0, 3074)},
                        {"cifar-100-binary/coarse_label_names.txt", "fish\n"},
                        {"cifar-100-binary/fine_label_names.txt", "apple\nbear\n"}}));
  const fs::path tar = folder.path() / "cifar-100.tar.gz";
  const auto source = open({.path = tar, .inside = "train"});
  ASSERT_EQ(source->size(), 3u);
  EXPECT_EQ(source->label(1), 1);
  EXPECT_EQ(source->place(1), tar.string() + "[cifar-100-binary/train.bin][1]");
  EXPECT_EQ(bytes_of(*source, 2)[0], 2);
  EXPECT_EQ(open({.path = tar, .inside = "test"})->size(), 1u);
  EXPECT_THAT(error({.path = tar}, ExitCode::usage), HasSubstr("by --inside train or test?"));
}

TEST_F(Cifar, NamesWhatIsDamaged) {
  write_files();
  EXPECT_THAT(error({.path = bin, .inside = "test", .class_names = {"a"}}),
              HasSubstr("batches.meta.txt: its 2 classes are not the 1 of this data set"));
  write("bin/test_batch.bin", cifar_records(4, 1, 3));
  EXPECT_THAT(error({.path = bin, .inside = "test"}),
              HasSubstr("test_batch.bin[2]: label out of range: 2, expected 0 to 1"));
  write("bin/test_batch.bin", cifar_records(4, 1, 2) + "x");
  EXPECT_THAT(error({.path = bin, .inside = "test"}),
              HasSubstr("test_batch.bin: has 12293 bytes, expected records of 3073"));
  write("bin/batches.meta.txt", "\n");
  EXPECT_THAT(error({.path = bin, .inside = "train"}), HasSubstr("names no classes"));
  write("bin/batches.meta.txt", "airplane\nautomobile\n");
  fs::remove(bin / "test_batch.bin");
  EXPECT_THAT(error({.path = bin, .inside = "test"}), HasSubstr("has none of CIFAR's test images"));
}

TEST_F(Archives, FolderWithoutLabels) {
  write("flat/b.jpg", "b");
  write("flat/a.jpg", "a");
  EXPECT_THAT(samples_of(*open({.path = folder.path() / "flat"})),
              ElementsAre("a.jpg=-1", "b.jpg=-1"));
  write("flat/cat/c.jpg", "c");
  EXPECT_THAT(samples_of(*open({.path = folder.path() / "flat", .unlabelled = true})),
              ElementsAre("a.jpg=-1", "b.jpg=-1", "cat/c.jpg=-1"));
  EXPECT_THAT(
      error({.path = folder.path() / "flat", .labels = "x", .unlabelled = true}, ExitCode::usage),
      HasSubstr("and no labels: choose one"));
}

TEST_F(Archives, RefuseNamesThatBreakALine) {
  write("x/cat\nand/a.jpg", "a");
  EXPECT_THAT(error({.path = folder.path() / "x"}), HasSubstr("control characters"));
  write("y/cat/a\tb.jpg", "a");
  EXPECT_THAT(error({.path = folder.path() / "y"}), HasSubstr("y: has a file whose name has"));
  const fs::path csv = write("list.csv", "a.jpg," + std::string(2000, 'c') + "\n");
  EXPECT_THAT(error({.path = csv}), HasSubstr("or more than 1024 bytes"));
}

TEST_F(Archives, NameWhatTheyAreNot) {
  EXPECT_THAT(error({.path = write("x.tar", text_from_hex(colour_png))}),
              HasSubstr("x.tar: is a PNG image, expected a folder or tar of images"));
  EXPECT_THAT(error({.path = write("x.bin", std::string("ab\0cd", 5))}),
              HasSubstr("x.bin: is of no known kind, expected a folder or tar"));
  EXPECT_THAT(error({.path = write("x", "")}), HasSubstr("x: is empty"));
}

}  // namespace
}  // namespace convoy
