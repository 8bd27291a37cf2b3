#include "data/inspect.h"

#include <algorithm>
#include <map>
#include <numeric>

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

std::string describe_labels(const Manifest& manifest, const ManifestSplit& split) {
  const auto& counts = split.label_histogram;
  const std::uint64_t labelled = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (labelled == 0) return "  labels     none\n";
  const auto [fewest, most] = std::minmax_element(counts.begin(), counts.end());
  std::string text = fmt::format("  labels     {} to {} samples per class\n", *fewest, *most);
  for (std::size_t i = 0; i < std::min(counts.size(), listed_classes); ++i) {
    text += fmt::format("    {:>4} {:<24} {:>9}\n", i, manifest.class_names[i], counts[i]);
  }
  if (counts.size() > listed_classes) {
    text += fmt::format("    and {} more classes\n", counts.size() - listed_classes);
  }
  return text;
}

std::string describe_split(const std::filesystem::path& folder, const Manifest& manifest,
                           const ManifestSplit& split) {
  std::uint64_t file_bytes = 0;
  Range heights, widths, image_bytes;
  std::map<std::string, std::uint64_t> encodings;
  std::string policy, options;
  for (std::size_t number = 0; number < split.shards.size(); ++number) {
    const ShardReader shard = open_shard(folder, manifest, split, number);
    const ShardIndex& index = shard.index();
    file_bytes += split.shards[number].bytes;
    policy = shard.header().jpeg_policy;
    options = shard.header().pack_options;
    for (std::uint64_t i = 0; i < index.samples(); ++i) {
      heights.add(index.height[i]);
      widths.add(index.width[i]);
      image_bytes.add(index.bytes(i));
      ++encodings[fmt::format("{} {}", name_of(static_cast<Encoding>(index.encoding[i])),
                              index.channels[i] == 1 ? "grey" : "colour")];
    }
  }
  std::string kinds;
  for (const auto& [kind, count] : encodings) {
    kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", count, kind);
  }
  std::string text = fmt::format("split {}: {} samples\n", split.name, split.samples());
  text += fmt::format("  shards     {} files, {}: {}{}\n", split.shards.size(),
                      size_text(file_bytes), split.shards.front().file,
                      split.shards.size() > 1 ? " to " + split.shards.back().file : "");
  text +=
      fmt::format("  images     {}; {} bytes each; JPEG {}\n", kinds, image_bytes.text(), policy);
  text += fmt::format("  height     {}\n  width      {}\n", heights.text(), widths.text());
  text += fmt::format("  pixels     mean {} std {}\n", channels_text(split.pixels.mean),
                      channels_text(split.pixels.std));
  text += fmt::format("  packed     {}\n", options);
  return text + describe_labels(manifest, split);
}

}  // namespace

std::string describe_dataset(const std::filesystem::path& folder) {
  const Manifest manifest = read_manifest(folder);
  std::string text = fmt::format("{}: {}, {} classes\n", folder.string(), manifest_format,
                                 manifest.class_names.size());
  for (const ManifestSplit& split : manifest.splits) {
    text += describe_split(folder, manifest, split);
  }
  return text;
}

}  // namespace convoy
