// A tiny packed data set: grey images of 8x8 noise around a pattern that tells their class.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"
#include "data/pack.h"
#include "ops/core/file.h"
#include "ops/core/random.h"

namespace convoy::test {

inline void write_idx(const std::filesystem::path& path, const std::vector<std::uint32_t>& extents,
                      const std::vector<std::uint8_t>& values) {
  std::ofstream file(path, std::ios::binary);
  const auto word = [&](std::uint32_t x) {
    for (const int shift : {24, 16, 8, 0}) file.put(static_cast<char>(x >> shift));
  };
  word(0x0800 + static_cast<std::uint32_t>(extents.size()));
  for (const std::uint32_t extent : extents) word(extent);
  file.write(reinterpret_cast<const char*>(values.data()),
             static_cast<std::streamsize>(values.size()));
}

// Splits "train" and "validation" in `folder`.
inline void make_tiny_data(const std::filesystem::path& folder, int train, int validation,
                           int classes = 4) {
  constexpr int side = 8;
  for (const auto& [split, count] : {std::pair{"train", train}, {"validation", validation}}) {
    Random random(count, RandomUse::test, 0);
    std::vector<std::uint8_t> pixels, labels;
    for (int i = 0; i < count; ++i) {
      labels.push_back(static_cast<std::uint8_t>(i % classes));
      for (int p = 0; p < side * side; ++p) {
        const bool bright = (p / side + p % side * labels.back()) % 4 == 0;
        pixels.push_back(static_cast<std::uint8_t>(random.below(120) + (bright ? 120 : 0)));
      }
    }
    const std::filesystem::path images = folder / (std::string(split) + "-images");
    const std::filesystem::path named = folder / (std::string(split) + "-labels");
    std::filesystem::create_directories(folder);
    write_idx(images, {static_cast<std::uint32_t>(count), side, side}, pixels);
    write_idx(named, {static_cast<std::uint32_t>(count)}, labels);
    pack(images, named, {.output = folder, .split = split, .seed = 3});
  }
}

// A copy of such a folder with one bit of sample 7 flipped, in each of the splits.
inline void copy_damaged(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  for (const std::string split : {"train", "validation"}) {
    std::vector<std::byte> buffer;
    const Dataset dataset(to, split);
    const auto bytes = dataset.read(7, buffer);
    const std::string_view needle(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::string place = dataset.place(7);
    const std::filesystem::path shard = to / place.substr(0, place.find('['));
    std::string text = read_file(shard);
    text.at(text.find(needle)) ^= 1;
    std::ofstream(shard, std::ios::binary) << text;
  }
}

}  // namespace convoy::test
