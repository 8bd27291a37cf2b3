#include "data/staging.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>

#include "ops/core/check.h"

namespace convoy {

namespace fs = std::filesystem;

fs::path staged_path(const fs::path& folder, const std::string& name) {
  return folder / (name + std::string(staging_suffix));
}

Staging::Staging(fs::path folder) : folder_(std::move(folder)) {
  const std::string place = folder_.string();
  std::error_code error;
  made_ = fs::create_directories(folder_, error);
  require(!error, ExitCode::storage, place, "cannot create the folder: {}", error.message());
  lock_ = FileDescriptor(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  require(bool(lock_), ExitCode::storage, place, "cannot open: {}", std::strerror(errno));
  const bool taken = ::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  require(!taken, ExitCode::storage, place, "another process is writing into this folder");
}

Staging::~Staging() {
  std::error_code error;
  const bool whole = !names_.empty() && renamed_ == names_.size();
  for (std::size_t i = 0; i < names_.size() && !whole; ++i) {
    fs::remove(i < renamed_ ? folder_ / names_[i] : staged_path(folder_, names_[i]), error);
  }
  remove_scratch();
  if (made_ && !whole) fs::remove(folder_, error);  // fails, as it should, where others use it
}

fs::path Staging::add(const std::string& name) {
  names_.push_back(name);
  return staged_path(folder_, name);
}

fs::path Staging::add_scratch(const std::string& name) {
  scratch_.push_back(name);
  return staged_path(folder_, name);
}

void Staging::remove_scratch() noexcept {
  std::error_code error;
  for (const std::string& name : scratch_) fs::remove(staged_path(folder_, name), error);
}

void Staging::commit() {
  while (renamed_ < names_.size()) {
    if (renamed_ + 1 == names_.size()) {
      remove_scratch();  // now, so that no kill leaves any beside a whole set of files
      sync_folder(folder_);
    }
    const fs::path path = folder_ / names_[renamed_];
    std::error_code error;
    fs::rename(staged_path(folder_, names_[renamed_]), path, error);
    require(!error, ExitCode::storage, path.string(), "cannot rename to it: {}", error.message());
    ++renamed_;
  }
  sync_folder(folder_);
}

}  // namespace convoy
