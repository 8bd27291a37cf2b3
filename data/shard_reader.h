// ShardReader: one opened shard, its index checked and in memory, its images read on demand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/manifest.h"
#include "data/shard.h"
#include "ops/core/file.h"

namespace convoy {

class ShardReader {
 public:
  // Error(data), one line that names the file, for whatever is damaged, cut short, of another
  // version or contradicts itself.
  explicit ShardReader(const std::filesystem::path& path);

  const ShardHeader& header() const { return header_; }
  const ShardIndex& index() const { return index_; }
  std::uint32_t index_crc32c() const { return index_crc32c_; }
  // "train-00000-of-00002.h5[17] (7/00012.png)": where errors point.
  std::string place(std::uint64_t i) const;
  // The bytes of image i, checked, in `buffer` (grown where too small). From any thread.
  // Error(data) naming the place. The same in two halves: fetch(), then check().
  std::span<const std::byte> read(std::uint64_t i, std::vector<std::byte>& buffer) const;
  std::span<const std::byte> fetch(std::uint64_t i, std::vector<std::byte>& buffer) const;
  void check(std::uint64_t i, std::span<const std::byte> bytes) const;
  // Has the system read images [begin, end) ahead, without waiting for them.
  void prefetch(std::uint64_t begin, std::uint64_t end) const noexcept;

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
  std::uint64_t images_at_ = 0;  // in the file
  ShardHeader header_;
  ShardIndex index_;
  std::uint32_t index_crc32c_ = 0;
};

// Shard `number` of a split, checked against what the manifest in `folder` says of it: "shard
// missing", "shard cut short" and whatever else differs are an Error(data).
ShardReader open_shard(const std::filesystem::path& folder, const Manifest& manifest,
                       const ManifestSplit& split, std::size_t number);

}  // namespace convoy
