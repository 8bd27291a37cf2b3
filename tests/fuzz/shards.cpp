// Fuzz targets of the shard format: damaged files, and whole files whose contents lie.
#include <cstring>

#include "data/dataset.h"
#include "data/manifest.h"
#include "data/shard_reader.h"
#include "data/shard_writer.h"
#include "ops/core/checksum.h"
#include "tests/data/files.h"
#include "tests/fuzz/target.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy::fuzz {
namespace {

namespace fs = std::filesystem;

const fs::path& scratch() {
  static const TemporaryFolder folder;
  return folder.path();
}

// Numbers from the input; zeros where it has ended.
class Numbers {
 public:
  explicit Numbers(std::span<const std::byte> input) : input_(input) {}

  template <class T>
  T next() {
    T value{};
    const std::size_t taken = std::min(sizeof(T), input_.size());
    std::memcpy(&value, input_.data(), taken);
    input_ = input_.subspan(taken);
    return value;
  }
  std::string text() {
    const std::size_t wanted = next<std::uint8_t>() % 16;
    const std::size_t length = std::min(wanted, input_.size());
    const std::string text(text_of(input_.first(length)));
    input_ = input_.subspan(length);
    return text;
  }

 private:
  std::span<const std::byte> input_;
};

void read_all(const fs::path& path) {
  const ShardReader shard(path);
  std::vector<std::byte> buffer;
  for (std::uint64_t i = 0; i < shard.index().samples(); ++i) {
    try {
      expect(shard.read(i, buffer).size() == shard.index().bytes(i), "an image of another length");
    } catch (const Error& error) {
      expect(error.code() == ExitCode::data, error.what());
    }
  }
}

void read_shard(std::span<const std::byte> input) {
  const fs::path path = scratch() / "shard.h5";
  write_text(path, text_of(input));
  take_or_refuse({ExitCode::data}, [&] { read_all(path); });
}

ShardIndex small_index(std::string& images) {
  ShardIndex index;
  for (unsigned i = 0; i < 3; ++i) {
    const std::string image(12 * (i + 1), static_cast<char>('a' + i));
    images += image;
    index.offsets.push_back(images.size());
    index.labels.push_back(static_cast<std::int32_t>(i) - 1);
    index.sample_ids.push_back(i);
    index.height.push_back(i + 1);
    index.width.push_back(4);
    index.channels.push_back(3);
    index.encoding.push_back(0);
    index.crc32c.push_back(crc32c(std::as_bytes(std::span(image))));
    index.names_bytes.insert(index.names_bytes.end(), i, std::uint8_t{'n'});
    index.names_offsets.push_back(index.names_bytes.size());
  }
  return index;
}

std::string file_of(const ShardHeader& header, const ShardIndex& index, const std::string& images) {
  const fs::path path = scratch() / "written.h5";
  ShardWriter shard(path, header, index);
  shard.write(std::as_bytes(std::span(images)), 0);
  shard.finish();
  return read_file(path);
}

std::vector<std::string> shard_files() {
  std::string images;
  const ShardIndex index = small_index(images);
  return {file_of({.split = "train", .class_names = {"cat", "dog"}}, index, images)};
}

// The right checksums over an index that may say anything.
void read_index(std::span<const std::byte> input) {
  Numbers numbers(input);
  ShardIndex index;
  const auto samples = numbers.next<std::uint8_t>() % 8u;
  visit_index(index, [&]<class T>(const char* name, std::vector<T>& elements) {
    const bool ends = std::string_view(name).ends_with("offsets");
    const auto longer = numbers.next<std::uint8_t>();  // one time in 32 of another length
    elements.resize(samples + (ends ? 1u : 0u) + (longer % 32 == 31 ? 1u : 0u));
    for (T& element : elements) {
      element = static_cast<T>(ends ? numbers.next<std::uint8_t>() : numbers.next<T>());
    }
  });
  const ShardHeader header{.split = numbers.text(),
                           .shard_index = numbers.next<std::uint64_t>(),
                           .shard_count = numbers.next<std::uint64_t>(),
                           .first_sample_id = numbers.next<std::uint64_t>(),
                           .class_names = {numbers.text(), "dog"}};
  const fs::path path = scratch() / "index.h5";
  ShardWriter(path, header, index).finish();
  take_or_refuse({ExitCode::data}, [&] { read_all(path); });
}

std::vector<std::string> indices() {
  return {std::string(1, '\0'), std::string("\x01\0\0\x0c", 4) + std::string(60, '\x01')};
}

void check(const Manifest& manifest) {
  for (const ManifestSplit& split : manifest.splits) {
    expect(split.label_histogram.size() == manifest.class_names.size(),
           "a histogram of other classes");
    for (const ManifestShard& shard : split.shards) {
      expect(!shard.file.empty() && shard.file.find('/') == std::string::npos,
             "a shard outside the data set: " + shard.file);
    }
  }
}

void read_manifest_bytes(std::span<const std::byte> input) {
  write_text(manifest_path(scratch()), text_of(input));
  take_or_refuse({ExitCode::data}, [&] { check(read_manifest(scratch())); });
}

std::vector<std::string> manifests() {
  const Manifest manifest{
      .class_names = {"cat", "dog"},
      .splits = {{.name = "train",
                  .shards = {{.file = "train-00000-of-00001.h5",
                              .bytes = 4096,
                              .samples = 3,
                              .sha256 = std::string(64, 'a'),
                              .index_crc32c = 7}},
                  .label_histogram = {1, 2},
                  .pixels = {.mean = {0.5, 0.5, 0.5}, .std = {0.2, 0.2, 0.2}}}}};
  const fs::path path = scratch() / "written-manifest.h5";
  write_manifest(path, manifest);
  return {read_file(path)};
}

}  // namespace

const Target shard{"shard", read_shard, shard_files};
const Target shard_index{"shard_index", read_index, indices};
const Target manifest{"manifest", read_manifest_bytes, manifests};

}  // namespace convoy::fuzz
