// Files on disk: a folder with all below it, or a list of paths.
#include <algorithm>

#include "data/sources/files.h"
#include "ops/core/check.h"
#include "ops/core/file.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

class DiskFiles : public Files {
 public:
  explicit DiskFiles(fs::path base) : base_(std::move(base)) {}

  std::string place(std::string_view name) const override { return (base_ / name).string(); }
  std::span<const std::byte> read(std::uint64_t i, std::vector<std::byte>& buffer) const override {
    const fs::path path = base_ / names_[i];
    std::error_code error;
    const bool regular = fs::is_regular_file(path, error);
    const std::uint64_t size = regular ? fs::file_size(path, error) : 0;
    require(regular && !error, ExitCode::data, path.string(), "is not a readable file");
    require(size > 0, ExitCode::data, path.string(), "is empty, expected a JPEG or PNG image");
    require(size <= max_file_bytes, ExitCode::data, path.string(),
            "has {} bytes, at most {} expected", size, max_file_bytes);
    if (buffer.size() < size) buffer.resize(size);
    const auto bytes = std::span(buffer).first(size);
    read_at(open_for_reading(path), bytes, 0, path);
    return bytes;
  }
  void stamp(Sha256& digest) const override {
    for (const std::string& name : names_) {
      digest.update(name).update("\n");
      stamp_file(digest, base_ / name);
    }
  }

 protected:
  fs::path base_;
};

class FolderFiles : public DiskFiles {
 public:
  explicit FolderFiles(const fs::path& root) : DiskFiles(root) {
    constexpr auto follow = fs::directory_options::follow_directory_symlink;
    const auto end = fs::recursive_directory_iterator();
    for (auto at = fs::recursive_directory_iterator(root, follow); at != end; ++at) {
      const std::string name = at->path().lexically_relative(root).generic_string();
      if (at->path().filename().native().starts_with('.')) {
        at.disable_recursion_pending();
      } else if (at->is_directory()) {
        if (at.depth() == 0) folders_.insert(name);
      } else {
        require(!has_control_characters(name), ExitCode::data, root.string(),
                "has a file whose name has control characters");
        names_.push_back(name);
      }
    }
    std::sort(names_.begin(), names_.end());
  }
};

class PathFiles : public DiskFiles {
 public:
  PathFiles(const fs::path& base, std::vector<std::string> paths) : DiskFiles(base) {
    names_ = std::move(paths);
  }
};

}  // namespace

std::unique_ptr<Files> files_in_folder(const fs::path& root) {
  try {
    return std::make_unique<FolderFiles>(root);
  } catch (const fs::filesystem_error& error) {
    fail(ExitCode::data, error.path1().string(), "cannot be listed: {}", error.code().message());
  }
}

std::unique_ptr<Files> files_of_paths(const fs::path& base, std::vector<std::string> paths) {
  return std::make_unique<PathFiles>(base, std::move(paths));
}

}  // namespace convoy
