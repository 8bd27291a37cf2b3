// Shards: a data set on disk, readable by anything that reads HDF5.
//
// DATA/train-00000-of-00002.h5 ... and DATA/manifest.h5; format "convoy-shard/1.0". All datasets
// one-dimensional, little-endian, contiguous, allocated early, library bounds v110, no timestamps:
// identical input gives identical bytes.
//
//   /images         uint8  [bytes]  encoded files, raw pixels (HWC) or features, one after the
//                                   other; from 64 KiB on at a 4 KiB boundary
//   /offsets        uint64 [N+1]    image i is images[offsets[i] : offsets[i+1]]
//   /labels         int32  [N]      index into /class_names; -1: none
//   /sample_ids     uint64 [N]      position in the whole split; keys the random draws
//   /height /width  uint32 [N]
//   /channels       uint8  [N]      1 grey, 3 colour: what decoding gives; 1 of features
//   /encoding       uint8  [N]      Encoding below
//   /crc32c         uint32 [N]      of image i's bytes
//   /names_bytes    uint8           original relative file names, UTF-8, one after the other
//   /names_offsets  uint64 [N+1]
//   /class_names    fixed-length UTF-8 [C]
//   attributes      format, split, num_samples, num_classes, shard_index, shard_count,
//                   first_sample_id, pack_options (JSON), jpeg_policy, pixel_mean, pixel_std, and
//                   index_crc32c (of the bytes of all datasets but /images, in the order above)
//
// Features are what a layer makes of an image: float32 [height, width], its channels by its pixels.
// All samples of a split are features of one shape, or none is. pack_options says of which layer
// (trainer/feature_origin.h).
//
// jpeg_policy: "lossless" (files as they were; JPEGs of several scans as one, CMYK as PNG of RGB),
// or "reencoded-q90-max512", "reencoded-q90-short256", "reencoded-q90"; "verbatim" (all as they
// were).
//
// manifest.h5, format "convoy-manifest/1.0": /class_names, and per split a group /S with
//
//   files           fixed-length UTF-8 [K]   shards, in order
//   bytes, samples  uint64 [K]
//   sha256          fixed-length, 64 digits [K]
//   index_crc32c    uint32 [K]       the shard's attribute: ties shard and manifest together
//   label_histogram uint64 [C]
//   attributes      pixel_mean, pixel_std (float64 [3], over all pixels of at most 10,000 samples
//                   drawn at random, scaled to [0, 1], grey counted as RGB), and crc32c (of the
//                   bytes of these datasets in this order, then /class_names)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {

inline constexpr std::string_view shard_format = "convoy-shard/1.0";
inline constexpr std::string_view manifest_format = "convoy-manifest/1.0";

// On disk. Never change a number.
enum class Encoding : std::uint8_t { raw = 0, jpeg = 1, jpeg_restart = 2, png = 3, features = 4 };
constexpr std::string_view name_of(Encoding encoding) {
  constexpr std::string_view names[] = {"raw", "jpeg", "jpeg_restart", "png", "features"};
  return names[static_cast<int>(encoding)];
}

struct PixelStatistics {
  std::array<double, 3> mean{};
  std::array<double, 3> std{};
  bool operator==(const PixelStatistics&) const = default;
};

// What a shard says about itself.
struct ShardHeader {
  std::string split;
  std::uint64_t shard_index = 0;
  std::uint64_t shard_count = 1;
  std::uint64_t first_sample_id = 0;
  std::string pack_options = "{}";
  std::string jpeg_policy = "verbatim";
  PixelStatistics pixels;
  std::vector<std::string> class_names;
  bool operator==(const ShardHeader&) const = default;
};

// All about a shard's samples but the images themselves.
struct ShardIndex {
  std::vector<std::uint64_t> offsets{0};
  std::vector<std::int32_t> labels;
  std::vector<std::uint64_t> sample_ids;
  std::vector<std::uint32_t> height, width;
  std::vector<std::uint8_t> channels, encoding;
  std::vector<std::uint32_t> crc32c;
  std::vector<std::uint8_t> names_bytes;
  std::vector<std::uint64_t> names_offsets{0};

  std::uint64_t samples() const { return labels.size(); }
  std::uint64_t bytes(std::uint64_t i) const { return offsets[i + 1] - offsets[i]; }
  std::string_view name(std::uint64_t i) const {
    return {reinterpret_cast<const char*>(names_bytes.data()) + names_offsets[i],
            names_offsets[i + 1] - names_offsets[i]};
  }
};

// Calls visit(dataset name, vector) for each dataset of the index, in the order of the format.
template <class Index, class Visit>
void visit_index(Index& index, Visit&& visit) {
  visit("offsets", index.offsets);
  visit("labels", index.labels);
  visit("sample_ids", index.sample_ids);
  visit("height", index.height);
  visit("width", index.width);
  visit("channels", index.channels);
  visit("encoding", index.encoding);
  visit("crc32c", index.crc32c);
  visit("names_bytes", index.names_bytes);
  visit("names_offsets", index.names_offsets);
}

// The attribute index_crc32c.
std::uint32_t checksum_of(const ShardIndex& index, const std::vector<std::string>& class_names);

}  // namespace convoy
