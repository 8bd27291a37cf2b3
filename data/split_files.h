// Split files: how the shards of a new split come into a data set's folder. All of them appear
// together with the manifest that lists them, or none does; a group of processes shares the work;
// what a killed run left is checked and used.
//
// Until all is done, FOLDER holds whole shards as SPLIT-00000-of-00002.h5.staged, and unfinished
// ones with ".part" in between.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/manifest.h"
#include "data/shard.h"
#include "data/shard_writer.h"
#include "data/staging.h"

namespace convoy {

// Processes that write one split together: all see the same sources and the same folder.
struct PackGroup {
  using Work = std::function<void()>;
  int rank = 0;
  int size = 1;
  // Does the work on every rank; throws on all of them what it threw on one.
  std::function<void(const Work&)> together = [](const Work& work) { work(); };
  // The texts of all ranks, by rank, on all of them.
  std::function<std::vector<std::string>(std::string_view)> gather = [](std::string_view mine) {
    return std::vector<std::string>{std::string(mine)};
  };
};

// Error(usage) unless a split can be called that.
void require_split_name(const std::string& split);

// The manifest as it stands, or an empty one with these class names. Error(usage) if it holds the
// split already, or has other classes; none are like any.
Manifest begin_manifest(const std::filesystem::path& folder, const std::string& split,
                        const std::vector<std::string>& class_names);

// What a killed run of this split left: unfinished files are removed, whole shards are staged (the
// renamed ones again: no manifest lists them yet), for `staging` to remove if this run has no use
// for them.
void take_over(const std::filesystem::path& folder, const std::string& split, Staging& staging);

// "train-00000-of-00002.h5" and so on.
std::vector<std::string> shard_names(const std::string& split, std::size_t count);
void stage_shards(const std::vector<std::string>& names, Staging& staging);

// The staged shard `name`, if it is there, whole in every image, and has this header and index; an
// index without checksums of images has any.
std::optional<ManifestShard> find_staged(const std::filesystem::path& folder,
                                         const std::string& name, const ShardHeader& header,
                                         ShardIndex index, int threads);
// Writes it. `fill` writes the images.
ManifestShard write_staged(const std::filesystem::path& folder, const std::string& name,
                           const ShardHeader& header, const ShardIndex& index,
                           const std::function<void(const ShardWriter&)>& fill);

// Deals the shards to the group's ranks; write(number) finds or writes one. All of them, on every
// rank. Collective.
std::vector<ManifestShard> write_dealt(
    const std::vector<std::string>& names, const PackGroup& group,
    const std::function<ManifestShard(std::uint64_t number)>& write);

// By the first rank: adds the split to the manifest, and gives all files their names.
void commit_split(const std::filesystem::path& folder, Manifest manifest, ManifestSplit split,
                  Staging& staging);

}  // namespace convoy
