#include "data/duplicates.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "ops/core/check.h"

namespace convoy {
namespace {

constexpr std::size_t examples_of_a_kind = 3;

struct Entry {
  std::uint64_t bytes;
  std::uint32_t crc32c;
  std::uint32_t shard;
  std::uint64_t sample;

  auto content() const { return std::tuple(bytes, crc32c); }
  auto operator<=>(const Entry&) const = default;
};

class DuplicateFinder {
 public:
  explicit DuplicateFinder(const std::deque<ShardReader>& shards) : shards_(shards) {
    for (std::uint32_t shard = 0; shard < shards.size(); ++shard) {
      const ShardIndex& index = shards[shard].index();
      for (std::uint64_t i = 0; i < index.samples(); ++i) {
        entries_.push_back({index.bytes(i), index.crc32c[i], shard, i});
      }
    }
    std::sort(entries_.begin(), entries_.end());
  }

  Duplicates run() {
    for (auto begin = entries_.begin(); begin != entries_.end();) {
      const auto end = std::find_if(begin, entries_.end(), [&](const Entry& entry) {
        return entry.content() != begin->content();
      });
      if (end - begin > 1) compare({begin, end});
      begin = end;
    }
    found_.examples = std::move(across_);
    found_.examples.insert(found_.examples.end(), within_.begin(), within_.end());
    return std::move(found_);
  }

 private:
  // An image unlike all before it, with the splits in which it was seen.
  struct Original {
    const Entry* entry;
    std::vector<std::byte> content;
    std::set<std::string> splits;
  };

  // Entries of one length and one checksum.
  void compare(std::span<const Entry> alike) {
    std::vector<Original> originals;
    std::vector<std::byte> buffer;
    for (const Entry& entry : alike) {
      std::span<const std::byte> content;
      try {
        content = shards_[entry.shard].read(entry.sample, buffer);
      } catch (const Error&) {
        continue;
      }
      const auto same = std::ranges::find_if(originals, [&](const Original& original) {
        return same_shape(*original.entry, entry) && std::ranges::equal(original.content, content);
      });
      if (same == originals.end()) {
        originals.push_back({&entry, {content.begin(), content.end()}, {split(entry)}});
      } else {
        note(*same, entry);
      }
    }
  }

  void note(Original& original, const Entry& copy) {
    const bool elsewhere = original.splits.insert(split(copy)).second;
    const bool relabelled = label(*original.entry) != label(copy);
    ++(elsewhere ? found_.across : found_.within);
    found_.relabelled += relabelled ? 1 : 0;
    std::vector<std::string>& examples = elsewhere ? across_ : within_;
    if (examples.size() >= examples_of_a_kind) return;
    examples.push_back(fmt::format("{}: the same image as {}{}",
                                   shards_[copy.shard].place(copy.sample),
                                   shards_[original.entry->shard].place(original.entry->sample),
                                   relabelled ? ", with another label" : ""));
  }

  const std::string& split(const Entry& entry) const { return shards_[entry.shard].header().split; }
  std::int32_t label(const Entry& entry) const {
    return shards_[entry.shard].index().labels[entry.sample];
  }
  bool same_shape(const Entry& a, const Entry& b) const {
    const auto shape = [&](const Entry& entry) {
      const ShardIndex& index = shards_[entry.shard].index();
      return std::tuple(index.encoding[entry.sample], index.height[entry.sample],
                        index.width[entry.sample]);
    };
    return shape(a) == shape(b);
  }

  const std::deque<ShardReader>& shards_;
  std::vector<Entry> entries_;
  Duplicates found_;
  std::vector<std::string> across_, within_;
};

}  // namespace

std::string Duplicates::text() const {
  if (within + across == 0) return "none";
  return fmt::format(
      "{} images are copies of others of their split, {} of others of another split; {} of them "
      "have another label",
      within, across, relabelled);
}

Duplicates find_duplicates(const std::deque<ShardReader>& shards) {
  return DuplicateFinder(shards).run();
}

}  // namespace convoy
