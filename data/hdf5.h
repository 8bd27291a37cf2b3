// HDF5, as much of it as shards need: it lays out new files and finds datasets in existing ones.
// The bytes of datasets never pass through it: they are written and read at their place in the
// file, by any number of threads.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/core/file.h"
#include "ops/core/handle.h"

namespace convoy::hdf5 {

// Little-endian. `text` is fixed-length UTF-8, padded with zeros.
enum class Type : std::uint8_t { u8, i32, u32, u64, text };

template <class T>
concept Element = std::same_as<T, std::uint8_t> || std::same_as<T, std::int32_t> ||
    std::same_as<T, std::uint32_t> || std::same_as<T, std::uint64_t>;

template <Element T>
inline constexpr Type type_of = std::same_as<T, std::uint8_t>    ? Type::u8
                                : std::same_as<T, std::int32_t>  ? Type::i32
                                : std::same_as<T, std::uint32_t> ? Type::u32
                                                                 : Type::u64;

// Where the elements of a one-dimensional contiguous dataset lie in their file.
struct Extent {
  std::uint64_t offset = 0;
  std::uint64_t count = 0;
  std::uint64_t element_bytes = 1;
  std::uint64_t bytes() const { return count * element_bytes; }
};

// The owner of any HDF5 identifier.
struct IdPolicy {
  using type = std::int64_t;
  static type null() noexcept { return -1; }
  static void close(type id) noexcept;
};
using Id = Handle<IdPolicy>;

// A new file. First its layout: group(), dataset(), attribute(). Then, after end_layout(), the
// contents, by write() from any thread, and finish(). The same calls give the same bytes: no
// timestamps, gaps are zeros. Every failure is Error(storage).
class Writer {
 public:
  // Replaces what is at `path`.
  explicit Writer(std::filesystem::path path);

  void group(const std::string& name);
  template <Element T>
  Extent dataset(const std::string& name, std::uint64_t count) {
    return dataset(name, type_of<T>, count, sizeof(T));
  }
  // As long as the longest text: what is to be written is padded(texts).
  Extent text_dataset(const std::string& name, const std::vector<std::string>& texts);
  // `object` is "/" or the path of a group. All attributes of an object take at most 64 KiB.
  void attribute(const std::string& object, const std::string& name, std::string_view text);
  void attribute(const std::string& object, const std::string& name, std::uint64_t number);
  void attribute(const std::string& object, const std::string& name,
                 const std::array<double, 3>& triple);
  // Writes the layout, and reserves the disk space of all that was laid out.
  void end_layout();

  // Writes inside a dataset, `at` bytes from its start.
  void write(const Extent& extent, std::span<const std::byte> bytes, std::uint64_t at = 0) const;
  // fsync and close. Returns the file's size in bytes.
  std::uint64_t finish();

 private:
  Extent dataset(const std::string& name, Type type, std::uint64_t count,
                 std::uint64_t element_bytes);

  std::filesystem::path path_;
  Id layout_;
  FileDescriptor file_;
  std::uint64_t bytes_ = 0;
};

// An existing file: its structure is read by HDF5, its contents by read_at() on file(). Takes no
// links to elsewhere, no storage but contiguous, nothing that reaches beyond the file's end: what
// is not as it should be is an Error(data) that names file and dataset.
class Reader {
 public:
  explicit Reader(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  std::uint64_t bytes() const { return bytes_; }  // of the whole file
  const FileDescriptor& file() const { return file_; }
  FileDescriptor release_file() { return std::move(file_); }

  // Names in the root, sorted.
  std::vector<std::string> groups() const;
  Extent dataset(const std::string& name, Type type) const;
  template <Element T>
  std::vector<T> read(const std::string& name) const {
    const Extent extent = dataset(name, type_of<T>);
    std::vector<T> elements(extent.count);
    read_at(file_, std::as_writable_bytes(std::span(elements)), extent.offset, path_);
    return elements;
  }
  std::vector<std::string> read_text(const std::string& name) const;

  std::string text(const std::string& object, const std::string& name) const;
  std::uint64_t number(const std::string& object, const std::string& name) const;
  std::array<double, 3> triple(const std::string& object, const std::string& name) const;

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
  std::uint64_t bytes_ = 0;
  Id root_;
};

// Texts as a dataset stores them: each padded with zeros to the longest.
std::string padded(const std::vector<std::string>& texts);

// Error(data) unless the root's attribute `format` is "NAME/MAJOR.x" of `format`.
void require_format(const Reader& file, std::string_view format);

}  // namespace convoy::hdf5
