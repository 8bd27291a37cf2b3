#include "data/split_files.h"

#include <algorithm>
#include <cctype>
#include <sstream>

#include "data/parallel.h"
#include "data/shard_reader.h"
#include "ops/core/check.h"
#include "ops/core/checksum.h"
#include "ops/core/log.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t worth_a_line = 64 << 20;  // shards whose writing takes a while
constexpr const char* suffix_of_parts = ".part";

// Whether `name` is "SPLIT-DIGITS-of-DIGITS.h5".
bool names_shard(std::string_view name, const std::string& split) {
  const auto skip = [&](std::string_view text) {
    const bool there = name.starts_with(text);
    if (there) name.remove_prefix(text.size());
    return there;
  };
  const auto skip_digits = [&] {
    const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    name.remove_prefix(digits);
    return digits > 0;
  };
  return skip(split + "-") && skip_digits() && skip("-of-") && skip_digits() && name == ".h5";
}

ManifestShard listed(const fs::path& path, const std::string& name, const ShardHeader& header,
                     const ShardIndex& index) {
  return {.file = name,
          .bytes = fs::file_size(path),
          .samples = index.samples(),
          .sha256 = sha256_of_file(path),
          .index_crc32c = checksum_of(index, header.class_names)};
}

// As ranks tell each other; the name is known.
std::string text_of(std::uint64_t number, const ManifestShard& shard) {
  return fmt::format("{} {} {} {} {}\n", number, shard.bytes, shard.samples, shard.sha256,
                     shard.index_crc32c);
}

}  // namespace

void require_split_name(const std::string& split) {
  const auto good = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; };
  require(!split.empty() && split.size() <= 64 && std::ranges::all_of(split, good) &&
              split != "class_names",
          ExitCode::usage, "pack", "split \"{}\": expected a name of letters, digits, - and _",
          split);
}

Manifest begin_manifest(const fs::path& folder, const std::string& split,
                        const std::vector<std::string>& class_names) {
  if (!fs::exists(manifest_path(folder))) return {.class_names = class_names};
  Manifest manifest = read_manifest(folder);
  const std::string place = manifest_path(folder).string();
  require(manifest.find(split) == nullptr, ExitCode::usage, place,
          "holds a split \"{}\" already: remove the data set or choose another folder or name",
          split);
  require(class_names.empty() || class_names == manifest.class_names, ExitCode::usage, place,
          "its {} classes are not the {} asked for", manifest.class_names.size(),
          class_names.size());
  return manifest;
}

void take_over(const fs::path& folder, const std::string& split, Staging& staging) {
  const auto is_shard = [&](std::string_view name) { return names_shard(name, split); };
  const std::string suffix(staging_suffix);
  const std::string part = suffix_of_parts + suffix;
  std::error_code error;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder, error)) paths.push_back(entry.path());
  for (const fs::path& path : paths) {
    const std::string name = path.filename().string();
    const std::string stem = path.stem().string();
    if (is_shard(name)) {
      fs::rename(path, staging.add_scratch(name), error);
    } else if (name.ends_with(suffix) && is_shard(stem)) {
      staging.add_scratch(stem);
    } else if (name == "manifest.h5" + suffix ||
               (name.starts_with("unzipped.") && name.ends_with(suffix)) ||
               (name.ends_with(part) && is_shard(name.substr(0, name.size() - part.size())))) {
      fs::remove(path, error);
    }
  }
}

std::vector<std::string> shard_names(const std::string& split, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t number = 0; number < count; ++number) {
    names.push_back(fmt::format("{}-{:05}-of-{:05}.h5", split, number, count));
  }
  return names;
}

void stage_shards(const std::vector<std::string>& names, Staging& staging) {
  for (const std::string& name : names) {
    staging.add_scratch(name + suffix_of_parts);
    staging.add(name);
  }
}

std::optional<ManifestShard> find_staged(const fs::path& folder, const std::string& name,
                                         const ShardHeader& header, ShardIndex index, int threads) {
  const fs::path path = staged_path(folder, name);
  if (!fs::exists(path)) return std::nullopt;
  try {
    const ShardReader shard(path);
    if (shard.header() != header) return std::nullopt;
    if (index.crc32c.empty()) index.crc32c = shard.index().crc32c;
    if (shard.index_crc32c() != checksum_of(index, header.class_names)) return std::nullopt;
    std::vector<std::vector<std::byte>> buffers(static_cast<std::size_t>(threads));
    parallel_for(threads, index.samples(), [&](int thread, std::uint64_t i) {
      shard.read(i, buffers[static_cast<std::size_t>(thread)]);
    });
    return listed(path, name, header, index);
  } catch (const Error& error) {
    log_warning("{} (written again)", error.what());
    return std::nullopt;
  }
}

ManifestShard write_staged(const fs::path& folder, const std::string& name,
                           const ShardHeader& header, const ShardIndex& index,
                           const std::function<void(const ShardWriter&)>& fill) {
  const fs::path path = staged_path(folder, name);
  const fs::path part = staged_path(folder, name + suffix_of_parts);
  ShardWriter shard(part, header, index);
  fill(shard);
  shard.finish();
  std::error_code error;
  fs::rename(part, path, error);
  require(!error, ExitCode::storage, path.string(), "cannot rename to it: {}", error.message());
  return listed(path, name, header, index);
}

std::vector<ManifestShard> write_dealt(
    const std::vector<std::string>& names, const PackGroup& group,
    const std::function<ManifestShard(std::uint64_t number)>& write) {
  std::string mine;
  group.together([&] {
    for (auto number = static_cast<std::uint64_t>(group.rank); number < names.size();
         number += static_cast<std::uint64_t>(group.size)) {
      const ManifestShard shard = write(number);
      mine += text_of(number, shard);
      if (shard.bytes >= worth_a_line) log_info("{} is written", shard.file);
    }
  });
  std::vector<ManifestShard> shards(names.size());
  for (const std::string& rank : group.gather(mine)) {
    std::istringstream lines(rank);
    std::uint64_t number = 0;
    while (lines >> number) {
      ManifestShard& shard = shards[number];
      shard.file = names[number];
      lines >> shard.bytes >> shard.samples >> shard.sha256 >> shard.index_crc32c;
    }
  }
  return shards;
}

void commit_split(const fs::path& folder, Manifest manifest, ManifestSplit split,
                  Staging& staging) {
  manifest.splits.push_back(std::move(split));
  std::ranges::sort(manifest.splits, {}, &ManifestSplit::name);
  write_manifest(staging.add(manifest_path(folder).filename().string()), manifest);
  staging.commit();
}

}  // namespace convoy
