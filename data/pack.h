// Packing: image files in, shards and manifest out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "data/convert.h"
#include "data/sources.h"
#include "data/split_files.h"

namespace convoy {

enum class BadPolicy { fail, skip };

struct PackOptions {
  std::filesystem::path output;  // the data set's folder; splits are added to its manifest
  std::string split = "train";
  std::uint64_t shard_bytes = 1ull << 30;  // of images per shard, roughly
  std::uint64_t seed = 0;                  // of the class-mixed order in which samples are stored
  bool mix = true;                         // false keeps the source's order
  int threads = 1;
  BadPolicy bad = BadPolicy::fail;
  Reencode reencode;
};

struct PackReport {
  std::uint64_t samples = 0;
  std::uint64_t bytes = 0;
  int classes = 0;
  int shards = 0;
  // Of the files.
  std::uint64_t left_out = 0;
  std::uint64_t rewritten = 0;   // progressive JPEGs as baseline
  std::uint64_t recoloured = 0;  // CMYK JPEGs as RGB
  std::uint64_t reencoded = 0;
  std::uint64_t misnamed = 0;
  std::vector<std::string> events;  // everything unusual, one line each, with the file's name
};

// Content decides the type of each file, not its name. Every image is decoded once, and stored as
// it is, or as data/convert.h says. The same input gives the same bytes for any number of threads
// and ranks. Nothing is left under a final name unless all went well. What a killed run left under
// other names, its list of the source's images and its whole shards, is checked and used, if source
// and options are the same. Classes are in the order of `source.class_names`; empty: of the splits
// which the data set has already, so that a validation split takes the training split's; else
// sorted. Error(data) naming the first bad file, or the source as a whole; Error(usage) for options
// that make no sense, such as a split that is there already; Error(storage) for an output that
// cannot be written.
PackReport pack(SourceOptions source, const PackOptions& options, const PackGroup& group = {});

// `labels` may be empty.
inline PackReport pack(const std::filesystem::path& source, const std::filesystem::path& labels,
                       const PackOptions& options) {
  return pack({.path = source, .labels = labels}, options);
}

}  // namespace convoy
