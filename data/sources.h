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

namespace convoy {

class Source {
 public:
  virtual ~Source() = default;

  std::uint64_t size() const { return labels_.size(); }
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

 protected:
  std::vector<std::int32_t> labels_;
  std::vector<std::string> class_names_;
  std::vector<std::string> events_;
  std::optional<ImageInfo> raw_;
};

// A folder of class folders, or an IDX file of images (LeCun's format of MNIST: 8-bit, three
// dimensions), gzipped or not, with its labels at `labels`, or, where that is empty, beside it
// under the same name with "labels-idx1" for "images-idx3". `class_names`: the imposed order;
// empty: the folders' names sorted, or the numbers up to the largest label. `scratch`: a folder for
// unzipped images, which vanish with the source. Error(data) for what cannot be used as a whole.
std::unique_ptr<Source> open_source(const std::filesystem::path& source,
                                    const std::filesystem::path& labels,
                                    const std::vector<std::string>& class_names,
                                    const std::filesystem::path& scratch);

}  // namespace convoy
