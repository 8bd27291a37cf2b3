#include "data/inspect.h"

#include <algorithm>
#include <deque>
#include <map>
#include <numeric>

#include "data/duplicates.h"
#include "data/manifest.h"
#include "data/shard_reader.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

constexpr std::size_t listed_classes = 20;  // of a longer list the rest is counted

struct Range {
  std::uint64_t low = ~0ull, high = 0;
  void add(std::uint64_t value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  std::string text() const {
    return low == high ? std::to_string(low) : fmt::format("{} to {}", low, high);
  }
};

std::string size_text(std::uint64_t bytes) {
  constexpr const char* units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  auto value = static_cast<double>(bytes);
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string channels_text(const std::array<double, 3>& values) {
  return fmt::format("({:.4f}, {:.4f}, {:.4f})", values[0], values[1], values[2]);
}

std::string describe_labels(const std::vector<std::string>& class_names,
                            const std::vector<std::uint64_t>& counts) {
  const std::uint64_t labelled = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (labelled == 0) return "  labels     none\n";
  const auto [fewest, most] = std::minmax_element(counts.begin(), counts.end());
  std::string text = fmt::format("  labels     {} to {} samples per class\n", *fewest, *most);
  for (std::size_t i = 0; i < std::min(counts.size(), listed_classes); ++i) {
    text += fmt::format("    {:>4} {:<24} {:>9}\n", i, class_names[i], counts[i]);
  }
  if (counts.size() > listed_classes) {
    text += fmt::format("    and {} more classes\n", counts.size() - listed_classes);
  }
  return text;
}

// Of the images of some shards of one split.
struct Summary {
  Range heights, widths, image_bytes;
  std::map<std::string, std::uint64_t> encodings;
  bool features = false;

  void add(const ShardIndex& index) {
    for (std::uint64_t i = 0; i < index.samples(); ++i) {
      features |= index.encoding[i] == static_cast<std::uint8_t>(Encoding::features);
      heights.add(index.height[i]);
      widths.add(index.width[i]);
      image_bytes.add(index.bytes(i));
      ++encodings[fmt::format("{} {}", name_of(static_cast<Encoding>(index.encoding[i])),
                              index.channels[i] == 1 ? "grey" : "colour")];
    }
  }
  std::string text(const ShardHeader& header) const {
    if (features) {
      return fmt::format("  features   float32 [{}, {}] (channels, pixels); {} bytes each\n",
                         heights.text(), widths.text(), image_bytes.text()) +
             fmt::format("  packed     {}\n", header.pack_options);
    }
    std::string kinds;
    for (const auto& [kind, count] : encodings) {
      kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", count, kind);
    }
    return fmt::format("  images     {}; {} bytes each; JPEG {}\n", kinds, image_bytes.text(),
                       header.jpeg_policy) +
           fmt::format("  height     {}\n  width      {}\n", heights.text(), widths.text()) +
           fmt::format("  pixels     mean {} std {}\n", channels_text(header.pixels.mean),
                       channels_text(header.pixels.std)) +
           fmt::format("  packed     {}\n", header.pack_options);
  }
};

// Adds the split's shards to `shards`.
std::string describe_split(const std::filesystem::path& folder, const Manifest& manifest,
                           const ManifestSplit& split, std::deque<ShardReader>& shards) {
  std::uint64_t file_bytes = 0;
  Summary summary;
  for (std::size_t number = 0; number < split.shards.size(); ++number) {
    summary.add(shards.emplace_back(open_shard(folder, manifest, split, number)).index());
    file_bytes += split.shards[number].bytes;
  }
  return fmt::format("split {}: {} samples\n", split.name, split.samples()) +
         fmt::format("  shards     {} files, {}: {}{}\n", split.shards.size(),
                     size_text(file_bytes), split.shards.front().file,
                     split.shards.size() > 1 ? " to " + split.shards.back().file : "") +
         summary.text(shards.back().header()) +
         describe_labels(manifest.class_names, split.label_histogram);
}

}  // namespace

std::string describe_dataset(const std::filesystem::path& folder) {
  const Manifest manifest = read_manifest(folder);
  std::string text = fmt::format("{}: {}, {} classes\n", folder.string(), manifest_format,
                                 manifest.class_names.size());
  std::deque<ShardReader> shards;
  for (const ManifestSplit& split : manifest.splits) {
    text += describe_split(folder, manifest, split, shards);
  }
  const Duplicates duplicates = find_duplicates(shards);
  text += fmt::format("duplicates   {}\n", duplicates.text());
  for (const std::string& example : duplicates.examples) text += fmt::format("  {}\n", example);
  return text;
}

std::string describe_shard(const std::filesystem::path& path) {
  const ShardReader shard(path);
  const ShardHeader& header = shard.header();
  Summary summary;
  summary.add(shard.index());
  std::vector<std::uint64_t> counts(header.class_names.size());
  for (const std::int32_t label : shard.index().labels) {
    if (label >= 0) ++counts[static_cast<std::size_t>(label)];
  }
  return fmt::format("{}: {}, shard {} of {} of split {}\n", path.string(), shard_format,
                     header.shard_index + 1, header.shard_count, header.split) +
         fmt::format("  samples    {}, from {} on, {}\n", shard.index().samples(),
                     header.first_sample_id, size_text(std::filesystem::file_size(path))) +
         summary.text(header) + describe_labels(header.class_names, counts);
}

}  // namespace convoy
