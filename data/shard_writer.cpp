#include "data/shard_writer.h"

#include "ops/core/checksum.h"

namespace convoy {

std::uint32_t checksum_of(const ShardIndex& index, const std::vector<std::string>& class_names) {
  std::uint32_t crc = 0;
  visit_index(index, [&](const char*, const auto& elements) {
    crc = crc32c(std::as_bytes(std::span(elements)), crc);
  });
  const std::string padded_names = hdf5::padded(class_names);
  return crc32c(std::as_bytes(std::span(padded_names)), crc);
}

ShardWriter::ShardWriter(const std::filesystem::path& path, const ShardHeader& header,
                         const ShardIndex& index)
    : file_(path) {
  images_ = file_.dataset<std::uint8_t>("images", index.offsets.back());
  std::vector<hdf5::Extent> extents;
  visit_index(index, [&]<class T>(const char* name, const std::vector<T>& elements) {
    extents.push_back(file_.dataset<T>(name, elements.size()));
  });
  const hdf5::Extent names_extent = file_.text_dataset("class_names", header.class_names);

  file_.attribute("/", "format", shard_format);
  file_.attribute("/", "split", header.split);
  file_.attribute("/", "num_samples", index.samples());
  file_.attribute("/", "num_classes", header.class_names.size());
  file_.attribute("/", "shard_index", header.shard_index);
  file_.attribute("/", "shard_count", header.shard_count);
  file_.attribute("/", "first_sample_id", header.first_sample_id);
  file_.attribute("/", "pack_options", header.pack_options);
  file_.attribute("/", "jpeg_policy", header.jpeg_policy);
  file_.attribute("/", "pixel_mean", header.pixels.mean);
  file_.attribute("/", "pixel_std", header.pixels.std);
  file_.attribute("/", "index_crc32c", std::uint64_t{checksum_of(index, header.class_names)});
  file_.end_layout();

  auto extent = extents.begin();
  visit_index(index, [&](const char*, const auto& elements) {
    file_.write(*extent++, std::as_bytes(std::span(elements)));
  });
  const std::string class_names = hdf5::padded(header.class_names);
  file_.write(names_extent, std::as_bytes(std::span(class_names)));
}

}  // namespace convoy
