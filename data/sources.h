// Sources: what can be packed. Each lists its samples in an order of its own content, and reads
// any one of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/image.h"
#include "ops/core/checksum.h"

namespace convoy {

class Source {
 public:
  virtual ~Source() = default;

  std::uint64_t size() const { return labels_.size(); }
  // Index into class_names(), or -1: the samples have no labels.
  std::int32_t label(std::uint64_t i) const { return labels_[i]; }
  const std::vector<std::string>& class_names() const { return class_names_; }
  // What was unusual, one line each.
  const std::vector<std::string>& events() const { return events_; }
  // Where the samples are raw pixels (HWC): their size, the same for all.
  const std::optional<ImageInfo>& raw() const { return raw_; }

  // Name of a sample, relative to the source.
  virtual std::string name(std::uint64_t i) const = 0;
  // Where errors point.
  virtual std::string place(std::uint64_t i) const = 0;
  // The sample's bytes, in `buffer` (grown where too small). From any thread. Error(data).
  virtual std::span<const std::byte> read(std::uint64_t i,
                                          std::vector<std::byte>& buffer) const = 0;
  // Feeds what changes when the source does: names, sizes, times of modification.
  virtual void stamp(Sha256& digest) const = 0;

 protected:
  std::vector<std::int32_t> labels_;
  std::vector<std::string> class_names_;
  std::vector<std::string> events_;
  std::optional<ImageInfo> raw_;
};

struct SourceOptions {
  std::filesystem::path path;
  // Only this folder of it: "train" of a tar that holds train/ and val/. Of CIFAR's archives, which
  // hold two sets of files: train or test.
  std::string inside;
  // Of a folder or tar: a table of file and label, or of one label for each file in byte order of
  // the names. Of IDX images: their IDX labels; empty: beside them, under the same name with
  // "labels-idx1" for "images-idx3".
  std::filesystem::path labels;
  std::filesystem::path label_map;  // table: what `labels` says, class that it means
  std::string columns;              // "PATH,LABEL": headers of the tables' columns; empty: guess
  bool unlabelled = false;          // take every file, whatever its folder, without a label
  std::vector<std::string> class_names;  // the imposed order; empty: sorted
  std::filesystem::path scratch;         // a folder for what is unzipped; vanishes with the source
};

// Content decides what `path` is:
//   - a folder, a tar, or a tar of tars (ILSVRC2012's training images: each inner tar is a class),
//     gzipped or not, never extracted: folders are classes. Files without folders have the labels
//     of options.labels, or none.
//   - a table (comma or tab between columns) of image paths, relative to it, and labels, if any
//   - an IDX file of images (LeCun's format of MNIST: 8-bit, three dimensions), gzipped or not
//   - a folder or tar with the binary files of CIFAR-10 or CIFAR-100
// A label in a table is the name of a class, or its number from 0 on in the order of the classes;
// without imposed classes these are the names, sorted, or, where all are numbers, 0 to the largest.
// Error(data) for what cannot be used as a whole, Error(usage) for options that do not fit it.
std::unique_ptr<Source> open_source(const SourceOptions& options);

}  // namespace convoy
