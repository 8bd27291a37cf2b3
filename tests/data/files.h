// Files for tests of what is on disk: written, damaged, compared.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/pack.h"
#include "ops/core/check.h"
#include "ops/core/file.h"
#include "tests/data/images.h"

namespace convoy {

// 3 x 2 pixels of RGB, 0 1 2 ... 17.
inline constexpr std::string_view colour_png =
    "89504e470d0a1a0a0000000d49484452000000030000000208020000001216f14d0000001c4944415478da6360"
    "60646266616563e760e0e4e2e6e1e5e3171004000401009afca8d3f30000000049454e44ae426082";
inline constexpr std::string_view one_pixel_gif =
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002014400"
    "3b";

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline std::string text_from_hex(std::string_view hex) {
  return text_of(from_hex(hex));
}

inline void write_text(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline void write_gzipped(const std::filesystem::path& path, std::string_view text) {
  std::filesystem::create_directories(path.parent_path());
  gzFile file = gzopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(gzwrite(file, text.data(), static_cast<unsigned>(text.size())),
            static_cast<int>(text.size()));
  EXPECT_EQ(gzclose(file), Z_OK);
}

// XORs one byte of a file.
inline void flip(const std::filesystem::path& path, std::uint64_t offset, int bits = 0xFF) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(offset));
  const char flipped = static_cast<char>(file.get() ^ bits);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(flipped);
}

// The line that `body` fails with; it must be one line of this exit code.
template <class Body>
std::string error_of(ExitCode code, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

// Names and contents of the files in a folder.
inline std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  if (!std::filesystem::exists(folder)) return files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      files[entry.path().lexically_relative(folder).string()] = read_file(entry.path());
    }
  }
  return files;
}

inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& [name, text] : contents(folder)) names.push_back(name);
  return names;
}

inline std::string big_endian(std::uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xFF);
  return text;
}

// Images of 4 x 3 pixels in IDX; pixel p of image i is 16 i + p, of label i % classes.
inline std::string idx_images(std::uint32_t count) {
  std::string text = big_endian(0x803) + big_endian(count) + big_endian(4) + big_endian(3);
  for (std::uint32_t i = 0; i < count; ++i) {
    for (std::uint32_t p = 0; p < 12; ++p) text += static_cast<char>(16 * i + p);
  }
  return text;
}
inline std::string idx_labels(std::uint32_t count, std::uint32_t classes) {
  std::string text = big_endian(0x801) + big_endian(count);
  for (std::uint32_t i = 0; i < count; ++i) text += static_cast<char>(i % classes);
  return text;
}

// Writes both files, and returns the one of images.
inline std::filesystem::path write_idx(const std::filesystem::path& folder, std::uint32_t count,
                                       std::uint32_t classes = 3) {
  write_text(folder / "some-images-idx3-ubyte", idx_images(count));
  write_text(folder / "some-labels-idx1-ubyte", idx_labels(count, classes));
  return folder / "some-images-idx3-ubyte";
}

// Class folders with every kind of file that is stored as it is.
inline void write_class_folders(const std::filesystem::path& folder) {
  write_text(folder / "cat/a.jpg", text_from_hex(colour_jpeg));
  write_text(folder / "cat/b.jpg", text_from_hex(grey_jpeg));
  write_text(folder / "cat/old/c.jpeg", text_from_hex(grey_jpeg));
  write_text(folder / "dog/a.png", text_from_hex(colour_png));
  write_text(folder / "dog/b.JPG", text_from_hex(colour_jpeg));
}

}  // namespace convoy
