// Manifest: what a data set's folder holds, split by split (the format is in data/shard.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/shard.h"

namespace convoy {

struct ManifestShard {
  std::string file;  // its name beside the manifest
  std::uint64_t bytes = 0;
  std::uint64_t samples = 0;
  std::string sha256;
  std::uint32_t index_crc32c = 0;
};

struct ManifestSplit {
  std::string name;
  std::vector<ManifestShard> shards;
  std::vector<std::uint64_t> label_histogram;  // per class
  PixelStatistics pixels;

  std::uint64_t samples() const;
};

struct Manifest {
  std::vector<std::string> class_names;
  std::vector<ManifestSplit> splits;  // sorted by name

  const ManifestSplit* find(const std::string& split) const;  // null: none of this name
};

std::filesystem::path manifest_path(const std::filesystem::path& folder);

// Error(data), one line, if `folder` holds none, or a damaged one.
Manifest read_manifest(const std::filesystem::path& folder);

// A new file at `path`, durable; renaming it into place is the caller's. Error(storage).
void write_manifest(const std::filesystem::path& path, const Manifest& manifest);

}  // namespace convoy
