// The HDF5 wrapper: what it writes comes back, the same calls give the same bytes, and a file that
// is not as it should be is refused.
#include "data/hdf5.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>

#include <csignal>
#include <functional>
#include <thread>

#include "tests/data/files.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy::hdf5 {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string> names{"one", "", "thirty\xc3\xa9"};
constexpr std::array<double, 3> triple{0.25, -1, 1e300};

void write_some(const fs::path& path) {
  Writer file(path);
  file.group("train");
  const Extent numbers = file.dataset<std::uint64_t>("train/numbers", 3);
  const Extent bytes = file.dataset<std::uint8_t>("bytes", 100'000);
  const Extent labels = file.dataset<std::int32_t>("labels", 2);
  file.dataset<std::uint32_t>("none", 0);
  const Extent texts = file.text_dataset("texts", names);
  file.attribute("/", "format", "some/1.0");
  file.attribute("/", "empty", "");
  file.attribute("/", "triple", triple);
  file.attribute("train", "number", ~0ull);
  file.end_layout();
  const auto fill = [&](const Extent& extent, const auto& values, std::uint64_t at = 0) {
    file.write(extent, std::as_bytes(std::span(values)), at);
  };
  fill(numbers, std::array<std::uint64_t, 3>{1, 2, ~0ull});
  fill(bytes, std::array{'e', 'n', 'd'}, 99'997);
  fill(labels, std::array<std::int32_t, 2>{-1, 7});
  fill(texts, padded(names));
  EXPECT_EQ(file.finish(), fs::file_size(path));
  EXPECT_EQ(bytes.offset % 4096, 0u);
}

TEST(Hdf5, WhatIsWrittenIsRead) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "some.h5";
  write_some(path);
  const Reader file(path);
  EXPECT_THAT(file.groups(), ElementsAre("train"));
  EXPECT_THAT(file.read<std::uint64_t>("train/numbers"), ElementsAre(1, 2, ~0ull));
  EXPECT_THAT(file.read<std::int32_t>("labels"), ElementsAre(-1, 7));
  EXPECT_TRUE(file.read<std::uint32_t>("none").empty());
  EXPECT_EQ(file.read_text("texts"), names);
  const auto bytes = file.read<std::uint8_t>("bytes");
  ASSERT_EQ(bytes.size(), 100'000u);
  EXPECT_EQ(bytes[0], 0);
  EXPECT_EQ(bytes[99'999], 'd');
  EXPECT_EQ(file.text("/", "format"), "some/1.0");
  EXPECT_EQ(file.text("/", "empty"), "");
  EXPECT_EQ(file.triple("/", "triple"), triple);
  EXPECT_EQ(file.number("train", "number"), ~0ull);
}

TEST(Hdf5, SameCallsSameBytesAtAnyTime) {
  const TemporaryFolder folder;
  write_some(folder.path() / "first.h5");
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5 keeps time in seconds
  write_some(folder.path() / "second.h5");
  EXPECT_EQ(read_file(folder.path() / "first.h5"), read_file(folder.path() / "second.h5"));
}

TEST(Hdf5, ServesManyThreads) {
  const TemporaryFolder folder;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const fs::path path = folder.path() / std::to_string(i);
      for (int round = 0; round < 10; ++round) {
        write_some(path);
        EXPECT_EQ(Reader(path).read_text("texts"), names);
      }
    });
  }
}

TEST(Hdf5, WritesStayInsideTheirDataset) {
  const TemporaryFolder folder;
  Writer file(folder.path() / "some.h5");
  const Extent bytes = file.dataset<std::uint8_t>("bytes", 10);
  file.end_layout();
  const std::array<std::byte, 4> four{};
  file.write(bytes, four, 6);
  EXPECT_THAT(error_of(ExitCode::internal, [&] { file.write(bytes, four, 7); }),
              HasSubstr("4 bytes at 7 do not fit a dataset of 10 bytes"));
}

TEST(Hdf5, NamesFilesThatAreNotHdf5) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "some.h5";
  const auto open = [&] { Reader file(path); };
  EXPECT_THAT(error_of(ExitCode::data, open), HasSubstr("No such file"));
  write_text(path, "");
  EXPECT_THAT(error_of(ExitCode::data, open), HasSubstr("some.h5: is not an HDF5 file: it has 0"));
  write_text(path, "a text, and no data set at all");
  EXPECT_THAT(error_of(ExitCode::data, open), HasSubstr("does not start with HDF5's signature"));
  fs::remove(path);
  fs::create_directory(path);
  EXPECT_THAT(error_of(ExitCode::data, open), HasSubstr("not a regular file"));
}

TEST(Hdf5, NamesWhatIsMissing) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "some.h5";
  write_some(path);
  const Reader file(path);
  const auto data_error = [](const auto& body) { return error_of(ExitCode::data, body); };
  EXPECT_THAT(data_error([&] { file.read<std::uint8_t>("nothing"); }), HasSubstr("has no nothing"));
  EXPECT_THAT(data_error([&] { file.read<std::uint8_t>("train"); }), HasSubstr("a dataset"));
  EXPECT_THAT(data_error([&] { file.read<std::uint32_t>("bytes"); }),
              HasSubstr("some.h5: dataset bytes is not of type uint32"));
  EXPECT_THAT(data_error([&] { file.read_text("bytes"); }), HasSubstr("fixed-length text"));
  EXPECT_THAT(data_error([&] { file.text("/", "nothing"); }), HasSubstr("no attribute nothing"));
  EXPECT_THAT(data_error([&] { file.number("/", "format"); }), HasSubstr("another type"));
  EXPECT_THAT(data_error([&] { file.triple("train", "number"); }), HasSubstr("another type"));
  EXPECT_THAT(data_error([&] { require_format(file, "some/2.0"); }),
              HasSubstr("its format is \"some/1.0\", expected \"some/2.x\""));
  EXPECT_NO_THROW(require_format(file, "some/1.7"));
}

// Files that only other programs write.
struct ForeignCase {
  const char* name;
  std::function<void(hid_t file)> write;
  const char* error;
};

void write_bytes_dataset(hid_t file, hid_t creation) {
  const hsize_t count = 100;
  const hid_t space = H5Screate_simple(1, &count, nullptr);
  const hid_t dataset =
      H5Dcreate2(file, "bytes", H5T_STD_U8LE, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  const std::vector<std::uint8_t> zeros(count);
  H5Dwrite(dataset, H5T_STD_U8LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros.data());
  H5Dclose(dataset);
  H5Sclose(space);
}

template <class Set>
void write_with(hid_t file, const Set& set) {
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  set(creation);
  write_bytes_dataset(file, creation);
  H5Pclose(creation);
}

const std::vector<ForeignCase> foreign_cases{
    {"Chunked",
     [](hid_t file) {
       write_with(file, [](hid_t creation) {
         const hsize_t chunk = 10;
         H5Pset_chunk(creation, 1, &chunk);
       });
     },
     "not stored contiguously"},
    {"Compact",
     [](hid_t file) { write_with(file, [](hid_t it) { H5Pset_layout(it, H5D_COMPACT); }); },
     "not stored contiguously"},
    {"ExternalStorage",
     [](hid_t file) {
       write_with(file, [](hid_t it) { H5Pset_external(it, "/dev/null", 0, 100); });
     },
     "not stored contiguously in this file"},
    {"ExternalLink",
     [](hid_t file) {
       H5Lcreate_external("/etc/passwd", "/bytes", file, "bytes", H5P_DEFAULT, H5P_DEFAULT);
     },
     "soft or external link"},
    {"SoftLink",
     [](hid_t file) {
       write_with(file, [](hid_t) {});
       H5Lmove(file, "bytes", file, "real", H5P_DEFAULT, H5P_DEFAULT);
       H5Lcreate_soft("/real", file, "bytes", H5P_DEFAULT, H5P_DEFAULT);
     },
     "soft or external link"},
    {"NeverWritten",
     [](hid_t file) {
       const hsize_t count = 10;
       const hid_t space = H5Screate_simple(1, &count, nullptr);
       H5Dclose(
           H5Dcreate2(file, "bytes", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
       H5Sclose(space);
     },
     "has no storage"},
    {"TwoDimensions",
     [](hid_t file) {
       const hsize_t counts[] = {10, 10};
       const hid_t space = H5Screate_simple(2, counts, nullptr);
       H5Dclose(
           H5Dcreate2(file, "bytes", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
       H5Sclose(space);
     },
     "does not have one dimension"},
};

class Foreign : public testing::TestWithParam<ForeignCase> {};

TEST_P(Foreign, IsRefused) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "some.h5";
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
  GetParam().write(file);
  H5Fclose(file);
  H5Pclose(access);
  const Reader reader(path);
  EXPECT_THAT(error_of(ExitCode::data, [&] { reader.read<std::uint8_t>("bytes"); }),
              HasSubstr(GetParam().error));
}
INSTANTIATE_TEST_SUITE_P(All, Foreign, testing::ValuesIn(foreign_cases),
                         [](const auto& it) { return it.param.name; });

// Old superblocks have no checksum.
TEST(Hdf5, RefusesOldSuperblocks) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "some.h5";
  H5Fclose(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
  EXPECT_THAT(error_of(ExitCode::data, [&] { Reader file(path); }),
              HasSubstr("superblock of version 0, expected 2 or 3"));
}

TEST(Hdf5, NamesWhatReachesBeyondTheEnd) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "some.h5";
  {
    Writer file(path);
    file.dataset<std::uint8_t>("bytes", 100'000);
    file.end_layout();
    file.finish();
  }
  for (const std::uint64_t bytes : {90'000u, 5'000u, 100u, 48u, 20u}) {
    fs::resize_file(path, bytes);
    const std::string error =
        error_of(ExitCode::data, [&] { Reader(path).read<std::uint8_t>("bytes"); });
    EXPECT_THAT(error, HasSubstr("some.h5: "));
  }
}

// Also where HDF5 itself meets the full disk, and the process still ends as it means to.
TEST(Hdf5DeathTest, SaysThatTheDiskIsFull) {
  const TemporaryFolder folder;
  for (const rlim_t limit : {300, 5'000, 100'000}) {
    const auto write_on_a_full_disk = [&] {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limits{limit, limit};
      setrlimit(RLIMIT_FSIZE, &limits);
      try {
        write_some(folder.path() / "some.h5");
      } catch (const Error& error) {
        std::fputs(error.what(), stderr);
        std::exit(static_cast<int>(error.code()));
      }
      std::exit(0);
    };
    EXPECT_EXIT(write_on_a_full_disk(), testing::ExitedWithCode(74), "some.h5: .*File too large");
  }
}

}  // namespace
}  // namespace convoy::hdf5
