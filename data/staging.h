// Staging: files that appear in a folder together or not at all.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ops/core/file.h"

namespace convoy {

// Of files that have no final name yet.
inline constexpr std::string_view staging_suffix = ".staged";

// Where the file lies that will be called `name`.
std::filesystem::path staged_path(const std::filesystem::path& folder, const std::string& name);

class Staging {
 public:
  // Makes the folder and holds it against another Staging, also of another process, where the file
  // system can lock. Error(storage).
  explicit Staging(std::filesystem::path folder);
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  // Removes everything that was not committed, and the folder if it was made for that. A process
  // that is killed leaves staged files behind.
  ~Staging();

  // The temporary path at which to write the file that will be called `name`.
  std::filesystem::path add(const std::string& name);
  // The path of a file that is needed until the end, and removed then.
  std::filesystem::path add_scratch(const std::string& name);
  // Gives all files their names, replacing others; the last one, which makes the rest count, when
  // the names of all others are on disk. The files themselves must be durable. Error(storage).
  void commit();

 private:
  void remove_scratch() noexcept;

  std::filesystem::path folder_;
  bool made_ = false;  // the folder was not there before
  FileDescriptor lock_;
  std::vector<std::string> names_, scratch_;
  std::size_t renamed_ = 0;
};

}  // namespace convoy
