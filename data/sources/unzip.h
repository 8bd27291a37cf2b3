// Unzip: files read front to back, through gzip if they are gzipped.
#pragma once

#include <zlib.h>

#include <cstddef>
#include <filesystem>
#include <span>

#include "ops/core/file.h"
#include "ops/core/handle.h"

namespace convoy {

class Unzipped {
 public:
  // Error(data) if it cannot be opened.
  explicit Unzipped(std::filesystem::path path);
  // Fewer than asked only at the end. Error(data) for a damaged or cut gzip stream.
  std::size_t read(std::span<std::byte> into);
  bool zipped();  // once something was read

 private:
  struct GzPolicy {
    using type = gzFile;
    static type null() noexcept { return nullptr; }
    static void close(type file) noexcept { ::gzclose(file); }
  };
  std::filesystem::path path_;
  Handle<GzPolicy> file_;
};

// A file in `folder` without a name, which vanishes when closed. Error(storage).
FileDescriptor anonymous_file(const std::filesystem::path& folder);

}  // namespace convoy
