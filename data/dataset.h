// Dataset: an opened split of shards. Opening goes through HDF5 and checks the index; reading an
// image is one pread and one CRC, by any number of threads, without HDF5 and without a lock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/shard.h"

namespace convoy {

struct Sample {
  std::uint64_t id;
  std::int32_t label;
  std::uint32_t height, width;
  std::uint8_t channels;
  Encoding encoding;
  std::uint64_t bytes;  // encoded
};

class Dataset {
 public:
  // `folder` holds manifest.h5. Error(data) for a missing split or shard, a shard cut short, a
  // damaged index, a label out of range: one line that names the file and what was expected.
  Dataset(const std::filesystem::path& folder, const std::string& split);
  ~Dataset();
  Dataset(Dataset&&) noexcept;

  std::uint64_t size() const;
  std::uint64_t bytes() const;  // of all images, encoded
  // What is the largest among the images, each measure on its own.
  struct Largest {
    std::uint64_t bytes = 0;   // encoded
    std::uint64_t pixels = 0;  // decoded: height x width x channels
    bool alike = true;         // all have one height and width
  };
  const Largest& largest() const;
  // Whether it holds features of one shape, in the place of images.
  bool holds_features() const;
  const std::string& pack_options() const;  // JSON, of its first shard
  int classes() const;
  const std::vector<std::string>& class_names() const;
  const std::string& split() const;
  // SHA-256 over the manifest's shard digests and class names: what a checkpoint remembers and
  // ranks compare.
  const std::string& fingerprint() const;
  std::array<double, 3> pixel_mean() const;
  std::array<double, 3> pixel_std() const;
  // Of all samples in order, a stretch for each shard; -1 where a sample has none.
  std::vector<std::span<const std::int32_t>> labels() const;
  // Samples without a label: images to predict for, not to learn from.
  std::uint64_t unlabelled() const;

  Sample sample(std::uint64_t index) const;
  // "train-00000-of-00002.h5[17] (7/00012.png)": where errors point.
  std::string place(std::uint64_t index) const;
  std::string_view name(std::uint64_t index) const;
  // The encoded bytes, checked against their CRC, in `buffer` (grown where too small). Error(data)
  // naming shard, index, file. The same in two halves: fetch(), then check().
  std::span<const std::byte> read(std::uint64_t index, std::vector<std::byte>& buffer) const;
  std::span<const std::byte> fetch(std::uint64_t index, std::vector<std::byte>& buffer) const;
  void check(std::uint64_t index, std::span<const std::byte> bytes) const;
  // Has the system read samples [begin, end) ahead, without waiting for them.
  void prefetch(std::uint64_t begin, std::uint64_t end) const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Splits that the manifest in `folder` holds. Error(data) if there is none: no shards at all.
std::vector<std::string> splits_of(const std::filesystem::path& folder);

}  // namespace convoy
