// Files: named runs of bytes, whatever holds them: a folder, a tar, a tar of tars, a list of paths.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/core/checksum.h"

namespace convoy {

class Files {
 public:
  virtual ~Files() = default;

  std::uint64_t size() const { return names_.size(); }
  // Relative, "/" between folders. In byte order; of a list of paths, in the list's order.
  const std::string& name(std::uint64_t i) const { return names_[i]; }
  // Names of the folders on top, empty ones too.
  const std::set<std::string>& folders() const { return folders_; }
  const std::vector<std::string>& events() const { return events_; }

  // Where errors about a file or folder of this name point.
  virtual std::string place(std::string_view name) const = 0;
  // All of file i, in `buffer` (grown where too small). From any thread. Error(data), also for an
  // empty file.
  virtual std::span<const std::byte> read(std::uint64_t i,
                                          std::vector<std::byte>& buffer) const = 0;
  // Feeds what changes when the files do.
  virtual void stamp(Sha256& digest) const = 0;

 protected:
  std::vector<std::string> names_;
  std::set<std::string> folders_;
  std::vector<std::string> events_;
};

// Larger ones are refused before any memory is taken.
inline constexpr std::uint64_t max_file_bytes = 1ull << 30;

// All files below `root`, hidden ones left out. Links are followed.
std::unique_ptr<Files> files_in_folder(const std::filesystem::path& root);

// Files of these paths, relative to `base`.
std::unique_ptr<Files> files_of_paths(const std::filesystem::path& base,
                                      std::vector<std::string> paths);

// The files of a tar, or of a tar of tars, in which each inner tar is a folder of the same name
// without its ending. A gzipped tar is unzipped into `scratch`.
std::unique_ptr<Files> files_in_tar(const std::filesystem::path& tar,
                                    const std::filesystem::path& scratch);

// Those of `files` that are below the folder `inside`, under names relative to it. Error(data),
// naming `where`, if there are none.
std::unique_ptr<Files> files_inside(std::unique_ptr<Files> files, std::string inside,
                                    const std::string& where);

// Names with control characters are refused: nobody could read them in an error or a list.
bool has_control_characters(std::string_view text);

// Feeds the size and time of modification of a file on disk.
void stamp_file(Sha256& digest, const std::filesystem::path& path);

}  // namespace convoy
