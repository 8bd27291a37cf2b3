#include "data/sources/files.h"

#include <chrono>

#include "ops/core/check.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

class FilesInside : public Files {
 public:
  FilesInside(std::unique_ptr<Files> all, const std::string& inside)
      : all_(std::move(all)), prefix_(inside + "/") {
    events_ = all_->events();
    for (std::uint64_t i = 0; i < all_->size(); ++i) {
      const std::string& name = all_->name(i);
      if (!name.starts_with(prefix_)) continue;
      numbers_.push_back(i);
      names_.push_back(name.substr(prefix_.size()));
      const std::size_t slash = names_.back().find('/');
      if (slash != std::string::npos) folders_.insert(names_.back().substr(0, slash));
    }
  }
  std::string place(std::string_view name) const override {
    return all_->place(fmt::format("{}{}", prefix_, name));
  }
  std::span<const std::byte> read(std::uint64_t i, std::vector<std::byte>& buffer) const override {
    return all_->read(numbers_[i], buffer);
  }
  void stamp(Sha256& digest) const override {
    digest.update(prefix_).update("\n");
    all_->stamp(digest);
  }

 private:
  std::unique_ptr<Files> all_;
  std::string prefix_;
  std::vector<std::uint64_t> numbers_;  // among all
};

}  // namespace

std::unique_ptr<Files> files_inside(std::unique_ptr<Files> files, std::string inside,
                                    const std::string& where) {
  while (inside.ends_with('/')) inside.pop_back();
  auto inner = std::make_unique<FilesInside>(std::move(files), inside);
  require(inner->size() > 0, ExitCode::data, where, "has no files in a folder {}", inside);
  return inner;
}

bool has_control_characters(std::string_view text) {
  return on_one_line(std::string(text)) != text;
}

void stamp_file(Sha256& digest, const fs::path& path) {
  std::error_code error;
  const std::uint64_t size = fs::file_size(path, error);
  const auto changed = fs::last_write_time(path, error).time_since_epoch();
  digest.update(fmt::format("{} {}\n", size, std::chrono::nanoseconds(changed).count()));
}

}  // namespace convoy
