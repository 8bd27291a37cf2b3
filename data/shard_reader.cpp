#include "data/shard_reader.h"

#include <algorithm>

#include "data/hdf5.h"
#include "ops/core/check.h"
#include "ops/core/checksum.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

ShardHeader read_header(const hdf5::Reader& file) {
  ShardHeader header;
  header.split = file.text("/", "split");
  header.shard_index = file.number("/", "shard_index");
  header.shard_count = file.number("/", "shard_count");
  header.first_sample_id = file.number("/", "first_sample_id");
  header.pack_options = file.text("/", "pack_options");
  header.jpeg_policy = file.text("/", "jpeg_policy");
  header.pixels.mean = file.triple("/", "pixel_mean");
  header.pixels.std = file.triple("/", "pixel_std");
  header.class_names = file.read_text("class_names");
  return header;
}

// `ends` cuts [0, total) into pieces, one after the other.
void require_ascending(const std::vector<std::uint64_t>& ends, std::uint64_t total,
                       std::string_view what, const std::string& place) {
  require(ends.front() == 0 && std::is_sorted(ends.begin(), ends.end()) && ends.back() == total,
          ExitCode::data, place, "{} do not ascend from 0 to {}", what, total);
}

void check_sizes(const ShardIndex& index, std::uint64_t image_bytes, const std::string& place) {
  const std::uint64_t samples = index.samples();
  const auto require_size = [&](const char* name, std::uint64_t found, std::uint64_t expected) {
    require(found == expected, ExitCode::data, place, "{} has {} elements, expected {}", name,
            found, expected);
  };
  require_size("offsets", index.offsets.size(), samples + 1);
  require_size("names_offsets", index.names_offsets.size(), samples + 1);
  require_size("sample_ids", index.sample_ids.size(), samples);
  require_size("height", index.height.size(), samples);
  require_size("width", index.width.size(), samples);
  require_size("channels", index.channels.size(), samples);
  require_size("encoding", index.encoding.size(), samples);
  require_size("crc32c", index.crc32c.size(), samples);
  require_ascending(index.offsets, image_bytes, "offsets", place);
  require_ascending(index.names_offsets, index.names_bytes.size(), "names_offsets", place);
}

// Before the checksum, so that labels edited by hand are told as what they are.
void check_labels(const ShardReader& shard, const ShardHeader& header, const ShardIndex& index) {
  const auto classes = static_cast<std::int64_t>(header.class_names.size());
  for (std::uint64_t i = 0; i < index.samples(); ++i) {
    require(index.labels[i] >= -1 && index.labels[i] < classes, ExitCode::data, shard.place(i),
            "label out of range: {}, expected -1 to {}", index.labels[i], classes - 1);
  }
}

// What a checksum cannot tell: a writer's own mistakes.
void check_samples(const ShardReader& shard, const ShardHeader& header, const ShardIndex& index) {
  for (std::uint64_t i = 0; i < index.samples(); ++i) {
    const auto require_here = [&]<class... Args>(bool good, fmt::format_string<Args...> format,
                                                 Args&&... args) {
      if (!good) fail(ExitCode::data, shard.place(i), format, std::forward<Args>(args)...);
    };
    require_here(index.sample_ids[i] == header.first_sample_id + i, "sample id {}, expected {}",
                 index.sample_ids[i], header.first_sample_id + i);
    require_here(index.encoding[i] <= static_cast<int>(Encoding::features), "unknown encoding {}",
                 index.encoding[i]);
    require_here(index.channels[i] == 1 || index.channels[i] == 3, "{} channels, expected 1 or 3",
                 index.channels[i]);
    require_here(index.height[i] > 0 && index.width[i] > 0, "{} by {} pixels", index.height[i],
                 index.width[i]);
    const std::uint64_t pixels = std::uint64_t{index.height[i]} * index.width[i];
    const bool raw = index.encoding[i] == static_cast<int>(Encoding::raw);
    const std::uint64_t channels = index.channels[i];
    require_here(!raw || (index.bytes(i) / channels == pixels && index.bytes(i) % channels == 0),
                 "{} bytes of {}x{}x{} raw pixels", index.bytes(i), index.height[i], index.width[i],
                 index.channels[i]);
    const bool features = index.encoding[i] == static_cast<int>(Encoding::features);
    require_here(!features || (channels == 1 && index.bytes(i) == pixels * sizeof(float)),
                 "{} bytes of {}x{} features", index.bytes(i), index.height[i], index.width[i]);
    require_here(index.bytes(i) > 0, "no bytes");
  }
}

}  // namespace

ShardReader::ShardReader(const std::filesystem::path& path) : path_(path) {
  const std::string place = path.string();
  hdf5::Reader file(path);
  hdf5::require_format(file, shard_format);
  header_ = read_header(file);
  visit_index(index_, [&]<class T>(const char* name, std::vector<T>& elements) {
    elements = file.read<T>(name);
  });
  const std::uint64_t samples = file.number("/", "num_samples");
  require(index_.samples() == samples, ExitCode::data, place, "labels has {} elements, expected {}",
          index_.samples(), samples);
  require(header_.class_names.size() == file.number("/", "num_classes"), ExitCode::data, place,
          "class_names has {} elements, expected {}", header_.class_names.size(),
          file.number("/", "num_classes"));
  const hdf5::Extent images = file.dataset("images", hdf5::Type::u8);
  check_sizes(index_, images.bytes(), place);
  check_labels(*this, header_, index_);
  index_crc32c_ = checksum_of(index_, header_.class_names);
  const std::uint64_t expected_crc = file.number("/", "index_crc32c");
  require(index_crc32c_ == expected_crc, ExitCode::data, place,
          "the index is damaged: its checksum is {:08x}, expected {:08x}", index_crc32c_,
          expected_crc);
  check_samples(*this, header_, index_);
  images_at_ = images.offset;
  file_ = file.release_file();
}

ShardReader open_shard(const fs::path& folder, const Manifest& manifest, const ManifestSplit& split,
                       std::size_t number) {
  const ManifestShard& listed = split.shards[number];
  const fs::path path = folder / listed.file;
  const std::string place = path.string();
  std::error_code error;
  const std::uint64_t bytes = fs::file_size(path, error);
  require(!error, ExitCode::data, place, "shard missing: {}, expected {} bytes", error.message(),
          listed.bytes);
  require(bytes == listed.bytes, ExitCode::data, place, "{}: it has {} bytes, expected {}",
          bytes < listed.bytes ? "shard cut short" : "shard has grown", bytes, listed.bytes);
  ShardReader shard(path);
  require(shard.index_crc32c() == listed.index_crc32c, ExitCode::data, place,
          "is not the shard that manifest.h5 lists: its index has checksum {:08x}, expected {:08x}",
          shard.index_crc32c(), listed.index_crc32c);
  const ShardHeader& header = shard.header();
  const auto require_same = [&](std::string_view what, const auto& found, const auto& expected) {
    require(found == expected, ExitCode::data, place, "{} is {}, expected {} by manifest.h5", what,
            found, expected);
  };
  std::uint64_t first_sample_id = 0;
  for (std::size_t i = 0; i < number; ++i) first_sample_id += split.shards[i].samples;
  require_same("split", header.split, split.name);
  require_same("shard_index", header.shard_index, number);
  require_same("shard_count", header.shard_count, split.shards.size());
  require_same("num_samples", shard.index().samples(), listed.samples);
  require_same("first_sample_id", header.first_sample_id, first_sample_id);
  require(header.class_names == manifest.class_names, ExitCode::data, place,
          "its classes are not those of manifest.h5");
  return shard;
}

std::string ShardReader::place(std::uint64_t i) const {
  return fmt::format("{}[{}] ({})", path_.filename().string(), i, index_.name(i));
}

std::span<const std::byte> ShardReader::read(std::uint64_t i,
                                             std::vector<std::byte>& buffer) const {
  const std::span<const std::byte> bytes = fetch(i, buffer);
  check(i, bytes);
  return bytes;
}

std::span<const std::byte> ShardReader::fetch(std::uint64_t i,
                                              std::vector<std::byte>& buffer) const {
  const std::uint64_t size = index_.bytes(i);
  if (buffer.size() < size) buffer.resize(size);
  const auto bytes = std::span(buffer).first(size);
  read_at(file_, bytes, images_at_ + index_.offsets[i], path_);
  return bytes;
}

void ShardReader::check(std::uint64_t i, std::span<const std::byte> bytes) const {
  const std::uint32_t crc = crc32c(bytes);
  if (crc != index_.crc32c[i]) [[unlikely]] {
    fail(ExitCode::data, place(i), "the image is damaged: its checksum is {:08x}, expected {:08x}",
         crc, index_.crc32c[i]);
  }
}

void ShardReader::prefetch(std::uint64_t begin, std::uint64_t end) const noexcept {
  convoy::prefetch(file_, index_.offsets[end] - index_.offsets[begin],
                   images_at_ + index_.offsets[begin]);
}

}  // namespace convoy
