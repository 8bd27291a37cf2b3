// What can be packed: IDX files and class folders, and headers that lie.
#include "data/sources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/data/files.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string bytes_of(const Source& source, std::uint64_t i) {
  std::vector<std::byte> buffer;
  return text_of(source.read(i, buffer));
}

std::vector<std::string> names_of(const Source& source) {
  std::vector<std::string> names;
  for (std::uint64_t i = 0; i < source.size(); ++i) names.push_back(source.name(i));
  return names;
}

class Idx : public testing::Test {
 protected:
  std::unique_ptr<Source> open(const std::vector<std::string>& class_names = {}) const {
    return open_source({.path = images, .class_names = class_names, .scratch = folder.path()});
  }
  std::string error() const {
    return error_of(ExitCode::data, [&] { open(); });
  }

  TemporaryFolder folder;
  fs::path images = write_idx(folder.path(), 5);
  fs::path labels = folder.path() / "some-labels-idx1-ubyte";
};

TEST_F(Idx, GivesImagesAndLabels) {
  const auto source = open();
  ASSERT_EQ(source->size(), 5u);
  EXPECT_EQ(source->raw()->height, 4);
  EXPECT_EQ(source->raw()->width, 3);
  EXPECT_EQ(source->raw()->channels, 1);
  EXPECT_THAT(source->class_names(), ElementsAre("0", "1", "2"));
  EXPECT_EQ(source->label(4), 1);
  EXPECT_EQ(source->name(4), "some-images-idx3-ubyte[4]");
  EXPECT_EQ(source->place(4), images.string() + "[4]");
  EXPECT_EQ(bytes_of(*source, 4), idx_images(5).substr(16 + 4 * 12));
}

TEST_F(Idx, GzippedIsTheSame) {
  write_gzipped(folder.path() / "zipped/some-images-idx3-ubyte.gz", idx_images(5));
  write_gzipped(folder.path() / "zipped/some-labels-idx1-ubyte.gz", idx_labels(5, 3));
  const auto plain = open();
  images = folder.path() / "zipped/some-images-idx3-ubyte.gz";
  const auto zipped = open();
  EXPECT_EQ(names_of(*zipped), names_of(*plain));
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(bytes_of(*zipped, i), bytes_of(*plain, i));
    EXPECT_EQ(zipped->label(i), plain->label(i));
  }
}

TEST_F(Idx, LeavesNothingInTheScratchFolder) {
  const auto before = names_in(folder.path());
  const auto source = open();
  EXPECT_EQ(names_in(folder.path()), before);
}

TEST_F(Idx, TakesImposedClasses) {
  EXPECT_EQ(open({"a", "b", "c", "d"})->class_names().size(), 4u);
  EXPECT_THAT(error_of(ExitCode::data,
                       [&] {
                         open({"a", "b"});
                       }),
              HasSubstr("some-images-idx3-ubyte[2]: label out of range: 2, expected 0 to 1"));
}

TEST_F(Idx, NamesFilesThatAreCutShort) {
  const std::string whole = idx_images(5);
  write_text(images, whole.substr(0, 70));
  EXPECT_THAT(error(), HasSubstr("some-images-idx3-ubyte: cut short: 54 bytes after the header, "
                                 "which promises 60"));
  write_text(images, whole.substr(0, 10));
  EXPECT_THAT(error(), HasSubstr("ends inside its header of 16 bytes"));
  write_text(images, "");
  EXPECT_THAT(error(), HasSubstr("is empty"));
  write_text(images, whole);
  write_text(labels, idx_labels(5, 3).substr(0, 10));
  EXPECT_THAT(error(), HasSubstr("some-labels-idx1-ubyte: cut short: 2 bytes after the header"));
}

TEST_F(Idx, NamesHeadersThatLie) {
  write_text(images, idx_images(5) + "x");
  EXPECT_THAT(error(), HasSubstr("goes on after the 60 bytes that its header promises"));
  write_text(images, idx_images(4));
  EXPECT_THAT(error(), HasSubstr("some-labels-idx1-ubyte: holds 5 labels, "
                                 "some-images-idx3-ubyte has 4 images"));
  write_text(images, big_endian(0x803) + big_endian(5) + big_endian(0) + big_endian(3));
  EXPECT_THAT(error(), HasSubstr("some-images-idx3-ubyte: "));
  write_text(images, big_endian(0x803) + big_endian(5) + big_endian(~0u) + big_endian(~0u));
  EXPECT_THAT(error(), HasSubstr("some-images-idx3-ubyte: "));
  write_text(images, big_endian(0x803) + big_endian(0) + big_endian(4) + big_endian(3));
  EXPECT_THAT(error(), HasSubstr("holds no images"));
  // 2^32 - 1 of them: the labels are believed no more than the images.
  write_text(images, big_endian(0x803) + big_endian(~0u) + big_endian(4) + big_endian(3));
  write_text(labels, big_endian(0x801) + big_endian(~0u) + "abc");
  EXPECT_THAT(error(), HasSubstr("cut short: 3 bytes after the header, which promises 4294967295"));
}

TEST_F(Idx, NamesOtherFiles) {
  write_text(images, idx_labels(5, 3));
  EXPECT_THAT(error(), HasSubstr("is no IDX file of images: it starts with bytes 00 00 08 01, "
                                 "expected 00 00 08 03"));
  fs::remove(labels);
  write_text(images, idx_images(5));
  EXPECT_THAT(error(), HasSubstr("some-labels-idx1-ubyte: cannot open"));
  images = folder.path() / "nowhere";
  EXPECT_THAT(error(), HasSubstr("nowhere: does not exist"));
  write_text(images, idx_images(5));
  EXPECT_THAT(error_of(ExitCode::usage, [&] { open(); }), HasSubstr("which file holds its labels"));
}

TEST_F(Idx, NamesDamagedGzip) {
  images = folder.path() / "more-images-idx3-ubyte.gz";
  write_gzipped(folder.path() / "more-labels-idx1-ubyte.gz", idx_labels(5, 3));
  write_gzipped(images, idx_images(5));
  const std::string whole = read_file(images);
  write_text(images, whole.substr(0, whole.size() / 2));
  EXPECT_THAT(error(), HasSubstr("more-images-idx3-ubyte.gz: cannot unzip it: "));
  write_text(images, whole);
  flip(images, whole.size() - 6);  // of gzip's own checksum
  EXPECT_THAT(error(), HasSubstr("more-images-idx3-ubyte.gz: cannot unzip it: "));
}

class Folders : public testing::Test {
 protected:
  std::unique_ptr<Source> open(const std::vector<std::string>& class_names = {}) const {
    return open_source({.path = folder.path(), .class_names = class_names});
  }
  std::string error(const std::vector<std::string>& class_names = {}) const {
    return error_of(ExitCode::data, [&] { open(class_names); });
  }
  TemporaryFolder folder;
};

TEST_F(Folders, AreListedInOrder) {
  write_class_folders(folder.path());
  write_text(folder.path() / "cat/.DS_Store", "clutter");
  write_text(folder.path() / "cat/.cache/d.jpg", "clutter");
  write_text(folder.path() / ".git/config", "clutter");
  write_text(folder.path() / "README", "a note");
  const auto source = open();
  EXPECT_THAT(names_of(*source),
              ElementsAre("cat/a.jpg", "cat/b.jpg", "cat/old/c.jpeg", "dog/a.png", "dog/b.JPG"));
  EXPECT_THAT(source->class_names(), ElementsAre("cat", "dog"));
  EXPECT_EQ(source->label(2), 0);
  EXPECT_EQ(source->label(3), 1);
  EXPECT_FALSE(source->raw());
  EXPECT_EQ(bytes_of(*source, 3), text_from_hex(colour_png));
  EXPECT_THAT(source->events(), ElementsAre((folder.path() / "README").string() +
                                            ": ignored: it is in no class folder"));
}

TEST_F(Folders, FollowLinks) {
  const TemporaryFolder elsewhere;
  write_class_folders(elsewhere.path());
  fs::create_directory_symlink(elsewhere.path() / "cat", folder.path() / "lion");
  EXPECT_THAT(names_of(*open()), ElementsAre("lion/a.jpg", "lion/b.jpg", "lion/old/c.jpeg"));
  fs::create_directory_symlink(elsewhere.path(), elsewhere.path() / "cat/round");
  EXPECT_THAT(error(), HasSubstr("cannot be listed: Too many levels of symbolic links"));
}

TEST_F(Folders, TakeImposedClasses) {
  write_class_folders(folder.path());
  const auto source = open({"dog", "ant", "cat"});
  EXPECT_THAT(names_of(*source),
              ElementsAre("dog/a.png", "dog/b.JPG", "cat/a.jpg", "cat/b.jpg", "cat/old/c.jpeg"));
  EXPECT_EQ(source->label(0), 0);
  EXPECT_EQ(source->label(2), 2);
  EXPECT_THAT(source->events(), ElementsAre(HasSubstr("ant: a class without files")));
  EXPECT_THAT(error({"cat", "ant"}), HasSubstr("dog: is none of the 2 classes"));
}

TEST_F(Folders, SumUpManyEmptyClasses) {
  write_class_folders(folder.path());
  const auto source = open({"a", "ant", "b", "c", "cat", "d", "dog", "e"});
  EXPECT_EQ(source->label(0), 4);
  EXPECT_THAT(source->events(), ElementsAre(HasSubstr("6 of 8 classes have no files, ")));
}

TEST_F(Folders, NameWhatCannotBeUsed) {
  EXPECT_THAT(error(), HasSubstr("has no class folders and no files"));
  fs::create_directory(folder.path() / "cat");
  EXPECT_THAT(error(), HasSubstr("has no file in any class folder"));
  write_text(folder.path() / "cat/a.jpg", "");
  fs::create_symlink("nowhere", folder.path() / "cat/b.jpg");
  const auto source = open();
  EXPECT_THAT(error_of(ExitCode::data, [&] { bytes_of(*source, 0); }),
              HasSubstr("cat/a.jpg: is empty, expected a JPEG or PNG image"));
  EXPECT_THAT(error_of(ExitCode::data, [&] { bytes_of(*source, 1); }),
              HasSubstr("cat/b.jpg: is not a readable file"));
}

}  // namespace
}  // namespace convoy
