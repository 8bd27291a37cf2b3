#include "data/verify.h"

#include <algorithm>
#include <deque>
#include <mutex>

#include "data/image.h"
#include "data/manifest.h"
#include "data/parallel.h"
#include "data/shard_reader.h"
#include "ops/core/check.h"
#include "ops/core/checksum.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// An image's checksum and decoding, against what the index says of it.
class ImageCheck {
 public:
  explicit ImageCheck(const ShardReader& shard) : shard_(shard) {}

  void operator()(std::uint64_t i) {
    const ShardIndex& index = shard_.index();
    const std::span<const std::byte> bytes = shard_.read(i, buffer_);
    const auto encoding = static_cast<Encoding>(index.encoding[i]);
    if (encoding == Encoding::raw || encoding == Encoding::features) return;
    const std::string place = shard_.place(i);
    decoder_.decode(bytes, place, image_);
    const ImageType expected = encoding == Encoding::png ? ImageType::png : ImageType::jpeg;
    require(sniff(bytes) == expected, ExitCode::data, place, "is a {}, the index says {}",
            name_of(sniff(bytes)), name_of(encoding));
    const auto height = static_cast<std::uint32_t>(image_.height);
    const auto width = static_cast<std::uint32_t>(image_.width);
    require(height == index.height[i] && width == index.width[i] &&
                image_.channels == index.channels[i],
            ExitCode::data, place, "is {}x{}x{}, the index says {}x{}x{}", height, width,
            image_.channels, index.height[i], index.width[i], index.channels[i]);
  }

 private:
  const ShardReader& shard_;
  std::vector<std::byte> buffer_;
  ImageDecoder decoder_;
  Image image_;
};

void check_images(const ShardReader& shard, int threads, std::vector<std::string>& problems) {
  std::vector<ImageCheck> checks;
  for (int i = 0; i < threads; ++i) checks.emplace_back(shard);
  std::mutex mutex;
  std::vector<std::pair<std::uint64_t, std::string>> found;  // with the sample's number
  parallel_for(threads, shard.index().samples(), [&](int thread, std::uint64_t i) {
    try {
      checks[static_cast<std::size_t>(thread)](i);
    } catch (const Error& error) {
      const std::lock_guard lock(mutex);
      found.emplace_back(i, error.what());
    }
  });
  std::sort(found.begin(), found.end());
  for (auto& [i, problem] : found) problems.push_back(std::move(problem));
}

// Problems of the files as a whole, shards side by side: the digest of one cannot be shared out.
std::vector<std::string> check_digests(const fs::path& folder, const ManifestSplit& split,
                                       int threads) {
  std::vector<std::string> problems(split.shards.size());
  parallel_for(threads, split.shards.size(), [&](int, std::uint64_t number) {
    const ManifestShard& listed = split.shards[number];
    const fs::path path = folder / listed.file;
    std::error_code error;
    if (fs::file_size(path, error) != listed.bytes || error) return;  // said when it is opened
    const std::string found = sha256_of_file(path);
    if (found != listed.sha256) {
      problems[number] =
          fmt::format("{}: its SHA-256 is {}, expected {}", path.string(), found, listed.sha256);
    }
  });
  std::erase(problems, "");
  return problems;
}

// Of the split's shards that can be opened, which are added to `shards`.
void check_split(const fs::path& folder, const Manifest& manifest, const ManifestSplit& split,
                 int threads, std::deque<ShardReader>& shards, VerifyReport& report) {
  VerifiedSplit found{.name = split.name};
  found.label_histogram.resize(manifest.class_names.size());
  const std::size_t problems = report.problems.size();
  for (std::size_t number = 0; number < split.shards.size(); ++number) {
    try {
      const ShardReader& shard = shards.emplace_back(open_shard(folder, manifest, split, number));
      check_images(shard, threads, report.problems);
      found.samples += shard.index().samples();
      for (const std::int32_t label : shard.index().labels) {
        ++(label < 0 ? found.unlabelled : found.label_histogram[static_cast<std::size_t>(label)]);
      }
    } catch (const Error& error) {
      report.problems.emplace_back(error.what());
    }
  }
  if (problems == report.problems.size() && found.label_histogram != split.label_histogram) {
    report.problems.push_back(
        fmt::format("{}: its label histogram of split {} is not that of the shards",
                    manifest_path(folder).string(), split.name));
  }
  report.samples += found.samples;
  report.splits.push_back(std::move(found));
}

}  // namespace

VerifyReport verify(const fs::path& folder, int threads) {
  require(threads > 0, ExitCode::usage, "verify", "{} threads, expected at least 1", threads);
  const Manifest manifest = read_manifest(folder);
  VerifyReport report;
  std::deque<ShardReader> shards;
  for (const ManifestSplit& split : manifest.splits) {
    const std::vector<std::string> damaged = check_digests(folder, split, threads);
    report.problems.insert(report.problems.end(), damaged.begin(), damaged.end());
    check_split(folder, manifest, split, threads, shards, report);
  }
  report.duplicates = find_duplicates(shards);
  return report;
}

}  // namespace convoy
