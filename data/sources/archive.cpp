// Files in a tar, or in a tar of tars, read at their places in it.
#include <sys/stat.h>

#include <algorithm>

#include "data/sources/files.h"
#include "data/sources/tar.h"
#include "data/sources/unzip.h"
#include "ops/core/check.h"
#include "ops/core/file.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t header_bytes = 512;

class TarFiles : public Files {
 public:
  TarFiles(const fs::path& tar, const fs::path& scratch)
      : path_(tar), file_(open_for_reading(tar)) {
    unzip(scratch);
    TarIndex index = index_tar(read_, 0, size_of(file_), path_.string());
    if (is_nested(index)) index = nested(index);
    if (index.ignored > 0) {
      events_.push_back(fmt::format("{}: {} links, devices or replaced files are left out",
                                    path_.string(), index.ignored));
    }
    folders_ = std::move(index.folders);
    for (TarMember& member : index.files) {
      names_.push_back(std::move(member.name));
      extents_.push_back({member.offset, member.bytes});
    }
  }

  std::string place(std::string_view name) const override {
    return fmt::format("{}[{}]", path_.string(), name);
  }
  std::span<const std::byte> read(std::uint64_t i, std::vector<std::byte>& buffer) const override {
    const auto [offset, size] = extents_[i];
    if (size == 0 || size > max_file_bytes) {
      fail(ExitCode::data, place(names_[i]), "has {} bytes, expected 1 to {}", size,
           max_file_bytes);
    }
    if (buffer.size() < size) buffer.resize(size);
    const auto bytes = std::span(buffer).first(size);
    read_at(file_, bytes, offset, path_);
    return bytes;
  }
  void stamp(Sha256& digest) const override { stamp_file(digest, path_); }

 private:
  struct Extent {
    std::uint64_t offset, bytes;
  };

  static std::uint64_t size_of(const FileDescriptor& file) {
    struct stat status {};
    return ::fstat(file.get(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
  }

  // A gzipped tar has no places to read at.
  void unzip(const fs::path& scratch) {
    Unzipped zipped(path_);
    std::vector<std::byte> buffer(1 << 20);
    std::size_t got = zipped.read(buffer);
    if (!zipped.zipped()) return;
    file_ = anonymous_file(scratch);
    for (std::uint64_t written = 0; got > 0; got = zipped.read(buffer)) {
      write_at(file_, std::span(buffer).first(got), written, scratch);
      written += got;
    }
  }

  bool is_nested(const TarIndex& index) const {
    if (index.files.empty() || index.files[0].bytes < header_bytes) return false;
    std::vector<std::byte> start(header_bytes);
    read_(index.files[0].offset, start);
    return is_tar(start);
  }

  TarIndex nested(const TarIndex& outer) const {
    TarIndex all{.ignored = outer.ignored};
    for (const TarMember& member : outer.files) {
      TarIndex inner = index_tar(read_, member.offset, member.offset + member.bytes,
                                 fmt::format("{}[{}]", path_.string(), member.name));
      const std::string folder = fs::path(member.name).replace_extension().generic_string();
      all.folders.insert(folder.substr(0, folder.find('/')));
      all.ignored += inner.ignored;
      for (TarMember& file : inner.files) {
        file.name = fmt::format("{}/{}", folder, file.name);
        all.files.push_back(std::move(file));
      }
    }
    std::ranges::sort(all.files, {}, &TarMember::name);
    return all;
  }

  fs::path path_;
  FileDescriptor file_;
  ReadAt read_ = [this](std::uint64_t at, std::span<std::byte> into) {
    read_at(file_, into, at, path_);
  };
  std::vector<Extent> extents_;
};

}  // namespace

std::unique_ptr<Files> files_in_tar(const fs::path& tar, const fs::path& scratch) {
  return std::make_unique<TarFiles>(tar, scratch);
}

}  // namespace convoy
