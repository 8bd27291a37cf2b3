#include "ops/core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ops/core/check.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_storage(const fs::path& path, const char* verb) {
  fail(ExitCode::storage, path.string(), "cannot {}: {}", verb, std::strerror(errno));
}

}  // namespace

void FileDescriptorPolicy::close(type fd) noexcept {
  ::close(fd);
}

FileDescriptor open_for_reading(const fs::path& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  require(bool(file), ExitCode::data, path.string(), "cannot open: {}", std::strerror(errno));
  return file;
}

void read_at(const FileDescriptor& file, std::span<std::byte> into, std::uint64_t offset,
             const fs::path& path) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = ::pread(file.get(), into.data() + done, into.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    require(got >= 0, ExitCode::data, path.native(), "cannot read {} bytes at {}: {}", into.size(),
            offset, std::strerror(errno));
    require(got > 0, ExitCode::data, path.native(), "ends at byte {}, expected {} more bytes",
            offset + done, into.size() - done);
    done += static_cast<std::size_t>(got);
  }
}

void prefetch(const FileDescriptor& file, std::uint64_t bytes, std::uint64_t offset) noexcept {
  ::posix_fadvise(file.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                  POSIX_FADV_WILLNEED);
}

void write_at(const FileDescriptor& file, std::span<const std::byte> bytes, std::uint64_t offset,
              const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t put =
        ::pwrite(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) fail_storage(path, "write");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
}

std::string read_file(const fs::path& path, std::uint64_t limit) {
  const FileDescriptor file = open_for_reading(path);
  struct stat status {};
  require(::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode), ExitCode::data,
          path.string(), "is not a regular file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  require(size <= limit, ExitCode::data, path.string(), "has {} bytes, at most {} expected", size,
          limit);
  std::string text(size, '\0');
  read_at(file, std::as_writable_bytes(std::span(text)), 0, path);
  return text;
}

FileWriter::FileWriter(fs::path path, std::uint64_t expected_bytes) : path_(std::move(path)) {
  file_ = FileDescriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file_) fail_storage(path_, "create");
  if (expected_bytes > 0) {
    int error = EINTR;
    while (error == EINTR) {
      error = ::posix_fallocate(file_.get(), 0, static_cast<off_t>(expected_bytes));
    }
    if (error != 0 && error != EOPNOTSUPP && error != EINVAL) {
      errno = error;
      fail_storage(path_, "reserve space");
    }
  }
}

void FileWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file_.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) fail_storage(path_, "write");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void FileWriter::finish() {
  if (::fsync(file_.get()) != 0) fail_storage(path_, "fsync");
  close();
}

void FileWriter::close() {
  // Interrupted, Linux has closed it all the same.
  if (::close(file_.release()) != 0 && errno != EINTR) fail_storage(path_, "close");
}

void create_folder(const fs::path& folder) {
  std::error_code error;
  if (folder.empty() || fs::is_directory(folder, error)) return;
  const fs::path parent = folder.parent_path();
  create_folder(parent);
  if (::mkdir(folder.c_str(), 0777) != 0 && !fs::is_directory(folder, error)) {
    fail_storage(folder, "create");
  }
  sync_folder(parent.empty() ? "." : parent);
}

void sync_folder(const fs::path& folder) {
  const FileDescriptor file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0) fail_storage(folder, "fsync the folder");
}

void write_file_atomically(const fs::path& path, std::string_view text) {
  fs::path temporary = path;
  temporary += fmt::format(".tmp.{}", ::getpid());
  ::unlink(temporary.c_str());
  try {
    FileWriter writer(temporary);
    writer.write(text);
    writer.finish();
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail_storage(path, "rename to");
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

}  // namespace convoy
