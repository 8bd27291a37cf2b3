// safetensors files: tensors by name, written durably, read with every claim of the file checked.
//
//   bytes 0..7       n, the length of the header: unsigned, little-endian
//   bytes 8..8+n     a JSON object in UTF-8, padded with spaces; one member per tensor,
//                      "conv1.weight": {"dtype": "F32", "shape": [64, 3, 7, 7],
//                                       "data_offsets": [0, 37632]}
//                    and one optional "__metadata__": {"key": "text", ...}
//   the rest         the tensors, row-major, little-endian, without gaps; offsets count from here
//
// Written by us: the data starts at a multiple of 64 bytes; tensors stand in the order of falling
// element size, then name, so that each is aligned and equal tensors give equal files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/core/arena.h"
#include "ops/core/dtype.h"
#include "ops/core/shape.h"

namespace convoy {

struct TensorView {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::span<const std::byte> bytes;  // row-major
};

// A view's elements. The type's size must be the dtype's; the bytes must be aligned for it, as
// those of Safetensors are.
template <class T>
std::span<const T> elements_of(const TensorView& tensor) {
  return {reinterpret_cast<const T*>(tensor.bytes.data()), tensor.bytes.size() / sizeof(T)};
}

using Metadata = std::map<std::string, std::string>;

// Text from a file for a message: in double quotes, on one line, cut where it is long.
std::string in_quotes(std::string_view text);

struct WrittenFile {
  std::uint64_t bytes = 0;
  std::string sha256;
  bool operator==(const WrittenFile&) const = default;
};

// Creates `path`, which must not exist; on return it is on disk. Error(storage).
WrittenFile write_safetensors(const std::filesystem::path& path,
                              std::span<const TensorView> tensors, const Metadata& metadata);

// A whole file in memory. Nothing is allocated for tensors before the header is proven to describe
// exactly the bytes that follow it. Error(data) names the file and what is wrong.
class Safetensors {
 public:
  explicit Safetensors(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  // In the order of their bytes.
  const std::vector<TensorView>& tensors() const { return tensors_; }
  // nullptr if there is none of that name.
  const TensorView* find(std::string_view name) const;
  const Metadata& metadata() const { return metadata_; }
  // Size and digest of the bytes that were read: what write_safetensors returned for them.
  WrittenFile identity() const;

 private:
  std::filesystem::path path_;
  std::string head_;  // length and header
  Arena data_;
  std::uint64_t data_bytes_ = 0;
  std::vector<TensorView> tensors_;                          // by offset; views of data_
  std::map<std::string, std::size_t, std::less<>> by_name_;  // index into tensors_
  Metadata metadata_;
};

}  // namespace convoy
