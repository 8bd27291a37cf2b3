// Shards: a data set on disk, readable by anything that reads HDF5.
//
// DATA/train-00000-of-00002.h5 ... and DATA/manifest.h5; format "convoy-shard/1.0". All datasets
// contiguous, allocated early, library bounds v110, no timestamps: identical input gives identical
// bytes.
//
//   /images        uint8  [bytes]   encoded files, or raw pixels (HWC), one after the other, at a 4
//   KiB boundary /offsets       uint64 [N+1]     image i is images[offsets[i] : offsets[i+1]]
//   /labels        int32  [N]       index into /class_names; below 0: none
//   /sample_ids    uint64 [N]       position in the whole split; keys the random draws
//   /height /width uint32 [N]
//   /channels      uint8  [N]
//   /encoding      uint8  [N]       Encoding below
//   /crc32c        uint32 [N]       of image i's bytes
//   /names_bytes   uint8, /names_offsets uint64 [N+1]   original relative file names, UTF-8
//   /class_names   fixed-length UTF-8 [C]
//   attributes     format, split, num_samples, num_classes, shard_index, shard_count,
//   first_sample_id, pack_options
//                  (JSON), jpeg_policy, pixel_mean, pixel_std, and index_crc32c (uint32, of all
//                  index datasets in the order above)
//
// manifest.h5, per split S: /S/files (fixed-length UTF-8), /S/bytes, /S/samples (uint64), /S/sha256
// (fixed-length, 64 digits), /S/label_histogram (uint64 [C]); /class_names; attributes format
// "convoy-manifest/1.0", and per split pixel_mean, pixel_std (float64 [3], of pixels scaled to [0,
// 1], over at most 10,000 samples spread evenly).
#pragma once

#include <cstdint>

namespace convoy {

// On disk. Never change a number.
enum class Encoding : std::uint8_t { raw = 0, jpeg = 1, jpeg_restart = 2, png = 3 };

}  // namespace convoy
