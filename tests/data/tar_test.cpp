// Tars: every dialect, and headers that lie.
#include "data/sources/tar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/data/archives.h"
#include "tests/data/files.h"

namespace convoy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TarIndex index_of(const std::string& tar) {
  const ReadAt read = [&](std::uint64_t at, std::span<std::byte> into) {
    ASSERT_LE(at + into.size(), tar.size());
    std::memcpy(into.data(), tar.data() + at, into.size());
  };
  return index_tar(read, 0, tar.size(), "x.tar");
}

std::vector<std::string> names_of(const TarIndex& index) {
  std::vector<std::string> names;
  for (const TarMember& member : index.files) names.push_back(member.name);
  return names;
}

std::string error(const std::string& tar) {
  return error_of(ExitCode::data, [&] { index_of(tar); });
}

std::string pax(const std::string& key, const std::string& value) {
  const std::string rest = fmt::format(" {}={}\n", key, value);
  std::size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

TEST(Tar, ListsFilesByName) {
  const std::string tar = tar_of({{"./b/2.jpg", "two"}, {"a/1.jpg", "one1"}, {"/c.jpg", ""}});
  const TarIndex index = index_of(tar);
  EXPECT_THAT(names_of(index), ElementsAre("a/1.jpg", "b/2.jpg", "c.jpg"));
  EXPECT_THAT(index.folders, ElementsAre("a", "b"));
  EXPECT_EQ(tar.substr(index.files[0].offset, index.files[0].bytes), "one1");
  EXPECT_EQ(tar.substr(index.files[1].offset, index.files[1].bytes), "two");
  EXPECT_EQ(index.files[2].bytes, 0u);
}

TEST(Tar, KnowsLongNames) {
  const std::string gnu(300, 'g'), posix(200, 'p');
  const std::string tar = tar_member("././@LongLink", gnu + '\0', 'L') + tar_member("cut", "1") +
                          tar_member("pax", pax("mtime", "1.5") + pax("path", "x/" + posix), 'x') +
                          tar_member("cut", "2") + tar_member("plain", "3") + tar_end;
  const TarIndex index = index_of(tar);
  EXPECT_THAT(names_of(index), ElementsAre(gnu, "plain", "x/" + posix));
  EXPECT_EQ(tar[index.files[2].offset], '2');
}

TEST(Tar, KnowsPrefixesAndSizesOfOtherForms) {
  std::string member = tar_member("name.jpg", "1234567");
  const auto with = [&](std::size_t at, std::string_view text) {
    std::string changed = member;
    changed.replace(at, text.size(), text);
    changed.replace(148, 8, "        ");
    unsigned sum = 0;
    for (int i = 0; i < 512; ++i) sum += static_cast<unsigned char>(changed[i]);
    changed.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    return changed;
  };
  EXPECT_THAT(names_of(index_of(with(345, "long/folder") + tar_end)),
              ElementsAre("long/folder/name.jpg"));
  // GNU's magic: there is no prefix there.
  member = with(257, "ustar  ");
  EXPECT_THAT(names_of(index_of(with(345, "17") + tar_end)), ElementsAre("name.jpg"));
  member = tar_member("name.jpg", "1234567");
  EXPECT_EQ(index_of(with(124, std::string_view("\x80\0\0\0\0\0\0\0\0\0\0\7", 12)) + tar_end)
                .files[0]
                .bytes,
            7u);
  EXPECT_EQ(index_of(with(124, "      7     ") + tar_end).files[0].bytes, 7u);
  for (const std::string_view bad : {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
                                     "77777777777x", "-0000000001 ", "            "}) {
    EXPECT_THAT(error(with(124, bad) + tar_end), HasSubstr("x.tar: the header before byte 512"));
  }
}

TEST(Tar, LeavesOutWhatIsNoFile) {
  const TarIndex index = index_of(
      tar_member("a/", "", '5') + tar_member("a/link.jpg", "", '2') + tar_member("a/1.jpg", "old") +
      tar_member("a/1.jpg", "new!") + tar_member("a/.hid", "x") +
      tar_member("global", pax("comment", "c"), 'g') + tar_member(".git/x", "x") +
      tar_member("empty/", "", '5') + tar_member("v", "volume", 'V') + tar_end);
  EXPECT_THAT(names_of(index), ElementsAre("a/1.jpg"));
  EXPECT_EQ(index.files[0].bytes, 4u);  // the later one, as extracting would leave it
  EXPECT_EQ(index.ignored, 3u);
  EXPECT_THAT(index.folders, ElementsAre("a", "empty"));
}

TEST(Tar, NamesWhatIsDamaged) {
  const std::string tar = tar_of({{"a", std::string(600, 'x')}, {"b", "y"}});
  EXPECT_THAT(error(tar.substr(0, 1536 + 100)), HasSubstr("ends at byte 1636 without"));
  EXPECT_THAT(error(tar.substr(0, 1536)), HasSubstr("is it cut short?"));
  EXPECT_THAT(error(tar.substr(0, 800)),
              HasSubstr("cut short: the file at byte 512 has 600 bytes, 288 are left"));
  std::string flipped = tar;
  flipped[1536] = 'c';
  EXPECT_THAT(error(flipped), HasSubstr("byte 1536 is no header of a tar: its checksum is wrong"));
  EXPECT_THAT(error(tar_member("a\nb", "x") + tar_end), HasSubstr("has a control character"));
  EXPECT_THAT(error(tar_member("a", "x", 'S') + tar_end), HasSubstr("sparse"));
  EXPECT_THAT(error(""), HasSubstr("without the empty block"));
}

TEST(Tar, NamesDamagedExtensions) {
  for (const char* text : {"", "x", "5", "99 path=x\n", "10 path=xyz", "7 pathx\n", "3 =\n",
                           "18446744073709551617 path=x\n", "0 path=x\n", "11 path=abc\n "}) {
    const std::string tar = tar_member("p", text, 'x') + tar_member("name", "content") + tar_end;
    if (*text == '\0') {
      EXPECT_THAT(names_of(index_of(tar)), ElementsAre("name"));
    } else {
      EXPECT_THAT(error(tar), HasSubstr("extended header")) << text;
    }
  }
  EXPECT_THAT(error(tar_member("p", pax("size", "-5"), 'x') + tar_member("n", "") + tar_end),
              HasSubstr("has no size"));
  EXPECT_THAT(error(tar_member("p", pax("size", "99999"), 'x') + tar_member("n", "") + tar_end),
              HasSubstr("cut short"));
  EXPECT_THAT(error(tar_member("p", std::string(2 << 20, 'x'), 'L') + tar_end),
              HasSubstr("at most 1048576 expected"));
}

// Whatever the bytes, there is an index inside them, or an error of one line.
TEST(Tar, BearsRandomDamage) {
  const std::string whole = tar_member("././@LongLink", std::string(200, 'n') + '\0', 'L') +
                            tar_member("a/1", "one") +
                            tar_member("p", pax("path", "b/2") + pax("size", "3"), 'x') +
                            tar_member("b", "two") + tar_end;
  std::uint32_t state = 1;
  const auto draw = [&](std::size_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % below;
  };
  int errors = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string tar = whole.substr(0, whole.size() - draw(3) * draw(2000));
    const std::size_t header = draw(5) * 512;
    for (std::size_t k = draw(4); k > 0; --k) {
      tar[(header + draw(512)) % tar.size()] = static_cast<char>(draw(256));
    }
    // Half of them with a checksum that holds again.
    if (draw(2) == 0 && header + 512 <= tar.size()) {
      tar.replace(header + 148, 8, "        ");
      unsigned sum = 0;
      for (std::size_t b = 0; b < 512; ++b) sum += static_cast<unsigned char>(tar[header + b]);
      tar.replace(header + 148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    }
    try {
      for (const TarMember& member : index_of(tar).files) {
        ASSERT_LE(member.offset + member.bytes, tar.size());
      }
    } catch (const Error& error) {
      ASSERT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos);
      ++errors;
    }
  }
  EXPECT_GT(errors, 1000);
  EXPECT_LT(errors, 19'000);
}

}  // namespace
}  // namespace convoy
