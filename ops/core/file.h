// Files whose bytes matter: every write, fsync, close and rename is checked, and a final name
// appears only when what it names is whole and on disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "ops/core/handle.h"

namespace convoy {

struct FileDescriptorPolicy {
  using type = int;
  static type null() noexcept { return -1; }
  static void close(type fd) noexcept;
};
using FileDescriptor = Handle<FileDescriptorPolicy>;

// Opens for reading. Error(data) naming the path if it cannot be.
FileDescriptor open_for_reading(const std::filesystem::path& path);

// Reads exactly `into.size()` bytes at `offset`. Error(data) naming `path` when the file ends
// first.
void read_at(const FileDescriptor& file, std::span<std::byte> into, std::uint64_t offset,
             const std::filesystem::path& path);

// Tells the system that these bytes will be read soon: it fetches those that are not in memory yet.
// Waits for nothing, and a refusal means nothing.
void prefetch(const FileDescriptor& file, std::uint64_t bytes, std::uint64_t offset) noexcept;

// Writes all of `bytes` at `offset`, from any thread. Error(storage) naming `path`.
void write_at(const FileDescriptor& file, std::span<const std::byte> bytes, std::uint64_t offset,
              const std::filesystem::path& path);

// The whole file. Error(data) if it cannot be read or is larger than `limit` bytes.
std::string read_file(const std::filesystem::path& path, std::uint64_t limit = 1ull << 34);

// A new file, written front to back, durable once finish() returned. Every failure is
// Error(storage).
class FileWriter {
 public:
  // Creates `path` (which must not exist) and reserves `expected_bytes`, so that a full disk shows
  // up before any byte is written.
  FileWriter(std::filesystem::path path, std::uint64_t expected_bytes = 0);
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  // fsync and close.
  void finish();
  // Without fsync: for files that are as easily made again.
  void close();

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
};

// The folder and its missing parents, durably. Error(storage).
void create_folder(const std::filesystem::path& folder);

// Makes renames and creations inside `folder` durable.
void sync_folder(const std::filesystem::path& folder);

// Writes text under a temporary name beside `path`, fsyncs, renames over `path`, fsyncs the folder.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace convoy
