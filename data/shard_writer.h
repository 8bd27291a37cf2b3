// ShardWriter: one shard, laid out at its exact size before the first image is written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "data/hdf5.h"
#include "data/shard.h"

namespace convoy {

class ShardWriter {
 public:
  // Replaces what is at `path`. Writes all but the images. Error(storage).
  ShardWriter(const std::filesystem::path& path, const ShardHeader& header,
              const ShardIndex& index);

  // Part of /images, `at` bytes from its start; from any thread. Error(storage).
  void write(std::span<const std::byte> bytes, std::uint64_t at) const {
    file_.write(images_, bytes, at);
  }
  // fsync and close. Returns the shard's size in bytes.
  std::uint64_t finish() { return file_.finish(); }

 private:
  hdf5::Writer file_;
  hdf5::Extent images_;
};

}  // namespace convoy
