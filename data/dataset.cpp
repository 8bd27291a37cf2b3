#include "data/dataset.h"

#include <algorithm>

#include "data/manifest.h"
#include "data/shard_reader.h"
#include "ops/core/check.h"
#include "ops/core/checksum.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

std::string fingerprint_of(const Manifest& manifest, const ManifestSplit& split) {
  Sha256 digest;
  for (const ManifestShard& shard : split.shards) digest.update(shard.sha256).update("\n");
  for (const std::string& name : manifest.class_names) digest.update(name).update("\n");
  return digest.hex();
}

}  // namespace

struct Dataset::State {
  std::string split;
  std::vector<std::string> class_names;
  PixelStatistics pixels;
  std::string fingerprint;
  std::vector<ShardReader> shards;
  std::vector<std::uint64_t> ends;  // of the shards: one past the last sample of each
  Largest largest;
  std::uint64_t features = 0;  // samples that are

  void measure(const ShardIndex& index) {
    const ShardIndex& first = shards.front().index();
    for (std::uint64_t i = 0; i < index.samples(); ++i) {
      const std::uint64_t area =
          std::uint64_t{index.height[i]} * index.width[i] * index.channels[i];
      largest.bytes = std::max(largest.bytes, index.bytes(i));
      largest.pixels = std::max(largest.pixels, area);
      features += index.encoding[i] == static_cast<std::uint8_t>(Encoding::features);
      largest.alike &= index.height[i] == first.height[0] && index.width[i] == first.width[0];
    }
  }

  struct Place {
    const ShardReader& shard;
    std::uint64_t at;
  };
  Place find(std::uint64_t index) const {
    const auto end = std::upper_bound(ends.begin(), ends.end(), index);
    require(end != ends.end(), ExitCode::internal, split, "no sample {} among {}", index,
            ends.back());
    const auto number = static_cast<std::size_t>(end - ends.begin());
    return {shards[number], index - (number == 0 ? 0 : ends[number - 1])};
  }
};

Dataset::Dataset(const fs::path& folder, const std::string& split)
    : state_(std::make_unique<State>()) {
  const Manifest manifest = read_manifest(folder);
  const ManifestSplit* listed = manifest.find(split);
  std::string known;
  for (const ManifestSplit& one : manifest.splits) known += (known.empty() ? "" : ", ") + one.name;
  require(listed != nullptr, ExitCode::data, manifest_path(folder).string(),
          "has no split \"{}\", only {}", split, known);
  state_->split = split;
  state_->class_names = manifest.class_names;
  state_->pixels = listed->pixels;
  state_->fingerprint = fingerprint_of(manifest, *listed);
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < listed->shards.size(); ++i) {
    state_->shards.push_back(open_shard(folder, manifest, *listed, i));
    state_->ends.push_back(end += listed->shards[i].samples);
  }
  for (const ShardReader& shard : state_->shards) state_->measure(shard.index());
  require(state_->features == 0 || (state_->features == size() && state_->largest.alike),
          ExitCode::data, manifest_path(folder).string(),
          "its split \"{}\" holds {} samples of features among {}, or of several shapes: expected "
          "one shape, and all or none",
          split, state_->features, size());
}

Dataset::~Dataset() = default;
Dataset::Dataset(Dataset&&) noexcept = default;

std::uint64_t Dataset::size() const {
  return state_->ends.back();
}
std::uint64_t Dataset::bytes() const {
  std::uint64_t sum = 0;
  for (const ShardReader& shard : state_->shards) sum += shard.index().offsets.back();
  return sum;
}
const Dataset::Largest& Dataset::largest() const {
  return state_->largest;
}
bool Dataset::holds_features() const {
  return state_->features > 0;
}
const std::string& Dataset::pack_options() const {
  return state_->shards.front().header().pack_options;
}
int Dataset::classes() const {
  return static_cast<int>(state_->class_names.size());
}
const std::vector<std::string>& Dataset::class_names() const {
  return state_->class_names;
}
const std::string& Dataset::split() const {
  return state_->split;
}
const std::string& Dataset::fingerprint() const {
  return state_->fingerprint;
}
std::array<double, 3> Dataset::pixel_mean() const {
  return state_->pixels.mean;
}
std::array<double, 3> Dataset::pixel_std() const {
  return state_->pixels.std;
}

std::vector<std::span<const std::int32_t>> Dataset::labels() const {
  std::vector<std::span<const std::int32_t>> labels;
  for (const ShardReader& shard : state_->shards) labels.emplace_back(shard.index().labels);
  return labels;
}

std::uint64_t Dataset::unlabelled() const {
  std::uint64_t sum = 0;
  for (const auto labels : this->labels()) {
    sum += static_cast<std::uint64_t>(std::ranges::count(labels, -1));
  }
  return sum;
}

Sample Dataset::sample(std::uint64_t index) const {
  const auto [shard, at] = state_->find(index);
  const ShardIndex& shard_index = shard.index();
  return {.id = shard_index.sample_ids[at],
          .label = shard_index.labels[at],
          .height = shard_index.height[at],
          .width = shard_index.width[at],
          .channels = shard_index.channels[at],
          .encoding = static_cast<Encoding>(shard_index.encoding[at]),
          .bytes = shard_index.bytes(at)};
}

std::string Dataset::place(std::uint64_t index) const {
  const auto [shard, at] = state_->find(index);
  return shard.place(at);
}

std::string_view Dataset::name(std::uint64_t index) const {
  const auto [shard, at] = state_->find(index);
  return shard.index().name(at);
}

std::span<const std::byte> Dataset::read(std::uint64_t index,
                                         std::vector<std::byte>& buffer) const {
  const auto [shard, at] = state_->find(index);
  return shard.read(at, buffer);
}

std::span<const std::byte> Dataset::fetch(std::uint64_t index,
                                          std::vector<std::byte>& buffer) const {
  const auto [shard, at] = state_->find(index);
  return shard.fetch(at, buffer);
}

void Dataset::check(std::uint64_t index, std::span<const std::byte> bytes) const {
  const auto [shard, at] = state_->find(index);
  shard.check(at, bytes);
}

void Dataset::prefetch(std::uint64_t begin, std::uint64_t end) const noexcept {
  const std::vector<std::uint64_t>& ends = state_->ends;
  const auto at = std::upper_bound(ends.begin(), ends.end(), begin);
  for (auto i = static_cast<std::size_t>(at - ends.begin()); begin < end && i < ends.size(); ++i) {
    const std::uint64_t first = i == 0 ? 0 : ends[i - 1];
    const std::uint64_t stop = std::min(end, ends[i]);
    state_->shards[i].prefetch(begin - first, stop - first);
    begin = stop;
  }
}

std::vector<std::string> splits_of(const fs::path& folder) {
  std::vector<std::string> names;
  for (const ManifestSplit& split : read_manifest(folder).splits) names.push_back(split.name);
  return names;
}

}  // namespace convoy
