#include "data/manifest.h"

#include <algorithm>

#include "data/hdf5.h"
#include "ops/core/check.h"
#include "ops/core/checksum.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// A split as the columns of its datasets.
struct Columns {
  std::vector<std::string> files, sha256;
  std::vector<std::uint64_t> bytes, samples, label_histogram;
  std::vector<std::uint32_t> index_crc32c;
};

// Calls visit(dataset name, column) in the order of the format.
template <class Table, class Visit>
void visit_columns(Table& columns, Visit&& visit) {
  visit("files", columns.files);
  visit("bytes", columns.bytes);
  visit("samples", columns.samples);
  visit("sha256", columns.sha256);
  visit("index_crc32c", columns.index_crc32c);
  visit("label_histogram", columns.label_histogram);
}

std::string block_of(const std::vector<std::string>& texts) {
  return hdf5::padded(texts);
}
template <hdf5::Element T>
std::span<const T> block_of(const std::vector<T>& elements) {
  return elements;
}

std::uint32_t checksum_of(const Columns& columns, const std::vector<std::string>& class_names) {
  std::uint32_t crc = 0;
  const auto add = [&](const char*, const auto& column) {
    const auto block = block_of(column);
    crc = crc32c(std::as_bytes(std::span(block)), crc);
  };
  visit_columns(columns, add);
  add("class_names", class_names);
  return crc;
}

Columns columns_of(const ManifestSplit& split) {
  Columns columns;
  for (const ManifestShard& shard : split.shards) {
    columns.files.push_back(shard.file);
    columns.bytes.push_back(shard.bytes);
    columns.samples.push_back(shard.samples);
    columns.sha256.push_back(shard.sha256);
    columns.index_crc32c.push_back(shard.index_crc32c);
  }
  columns.label_histogram = split.label_histogram;
  return columns;
}

ManifestSplit read_split(const hdf5::Reader& file, const std::string& name,
                         const std::vector<std::string>& class_names) {
  const std::string place = file.path().string();
  Columns columns;
  visit_columns(columns, [&]<class T>(const std::string& column, std::vector<T>& elements) {
    if constexpr (std::is_same_v<T, std::string>) {
      elements = file.read_text(name + "/" + column);
    } else {
      elements = file.read<T>(name + "/" + column);
    }
  });
  const std::uint64_t expected = file.number(name, "crc32c");
  const std::uint32_t found = checksum_of(columns, class_names);
  require(found == expected, ExitCode::data, place,
          "split {} is damaged: its checksum is {:08x}, expected {:08x}", name, found, expected);
  const std::size_t shards = columns.files.size();
  require(shards > 0 && columns.bytes.size() == shards && columns.samples.size() == shards &&
              columns.sha256.size() == shards && columns.index_crc32c.size() == shards &&
              columns.label_histogram.size() == class_names.size(),
          ExitCode::data, place, "the datasets of split {} do not fit each other", name);

  ManifestSplit split;
  split.name = name;
  for (std::size_t i = 0; i < shards; ++i) {
    require(fs::path(columns.files[i]).filename() == columns.files[i], ExitCode::data, place,
            "\"{}\" of split {} is not a plain file name", columns.files[i], name);
    split.shards.push_back({.file = columns.files[i],
                            .bytes = columns.bytes[i],
                            .samples = columns.samples[i],
                            .sha256 = columns.sha256[i],
                            .index_crc32c = columns.index_crc32c[i]});
  }
  split.label_histogram = std::move(columns.label_histogram);
  split.pixels = {file.triple(name, "pixel_mean"), file.triple(name, "pixel_std")};
  return split;
}

template <class T>
hdf5::Extent lay_out(hdf5::Writer& file, const std::string& name, const std::vector<T>& column) {
  if constexpr (std::is_same_v<T, std::string>) {
    return file.text_dataset(name, column);
  } else {
    return file.dataset<T>(name, column.size());
  }
}

}  // namespace

std::uint64_t ManifestSplit::samples() const {
  std::uint64_t sum = 0;
  for (const ManifestShard& shard : shards) sum += shard.samples;
  return sum;
}

const ManifestSplit* Manifest::find(const std::string& split) const {
  const auto at = std::find_if(splits.begin(), splits.end(),
                               [&](const ManifestSplit& one) { return one.name == split; });
  return at == splits.end() ? nullptr : &*at;
}

fs::path manifest_path(const fs::path& folder) {
  return folder / "manifest.h5";
}

Manifest read_manifest(const fs::path& folder) {
  const fs::path path = manifest_path(folder);
  require(fs::exists(path), ExitCode::data, folder.string(),
          "is not a packed data set: it has no manifest.h5");
  const hdf5::Reader file(path);
  hdf5::require_format(file, manifest_format);
  Manifest manifest;
  manifest.class_names = file.read_text("class_names");
  for (const std::string& name : file.groups()) {
    manifest.splits.push_back(read_split(file, name, manifest.class_names));
  }
  require(!manifest.splits.empty(), ExitCode::data, path.string(), "has no splits");
  return manifest;
}

void write_manifest(const fs::path& path, const Manifest& manifest) {
  hdf5::Writer file(path);
  std::vector<std::pair<hdf5::Extent, std::string>> contents;  // in the order they were laid out
  const auto add = [&](const std::string& name, const auto& column) {
    const auto block = block_of(column);
    const auto bytes = std::as_bytes(std::span(block));
    contents.emplace_back(lay_out(file, name, column),
                          std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  };
  file.attribute("/", "format", manifest_format);
  add("class_names", manifest.class_names);
  for (const ManifestSplit& split : manifest.splits) {
    file.group(split.name);
    const Columns columns = columns_of(split);
    visit_columns(columns, [&](const char* column, const auto& elements) {
      add(split.name + "/" + column, elements);
    });
    file.attribute(split.name, "pixel_mean", split.pixels.mean);
    file.attribute(split.name, "pixel_std", split.pixels.std);
    file.attribute(split.name, "crc32c", std::uint64_t{checksum_of(columns, manifest.class_names)});
  }
  file.end_layout();
  for (const auto& [extent, bytes] : contents) file.write(extent, std::as_bytes(std::span(bytes)));
  file.finish();
}

}  // namespace convoy
