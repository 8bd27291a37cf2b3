#include "data/sources.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "data/staging.h"
#include "ops/core/check.h"
#include "ops/core/file.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

bool hidden(const fs::path& path) {
  return path.filename().native().starts_with('.');
}

// Class folders: SOURCE/CLASS/**/FILE, in byte order of their relative names.
class FolderSource : public Source {
 public:
  FolderSource(fs::path root, const std::vector<std::string>& imposed) : root_(std::move(root)) {
    find_classes(imposed);
    for (std::size_t label = 0; label < class_names_.size(); ++label) {
      find_files(static_cast<std::int32_t>(label));
    }
    require(!files_.empty(), ExitCode::data, root_.string(), "has no file in any class folder");
    report_empty_classes();
  }

  std::string name(std::uint64_t i) const override { return files_[i]; }
  std::string place(std::uint64_t i) const override { return (root_ / files_[i]).string(); }
  std::span<const std::byte> read(std::uint64_t i, std::vector<std::byte>& buffer) const override {
    const fs::path path = root_ / files_[i];
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

 private:
  static constexpr std::uint64_t max_file_bytes = 1ull << 30;

  void find_classes(const std::vector<std::string>& imposed) {
    std::set<std::string> folders;
    for (const auto& entry : fs::directory_iterator(root_)) {
      if (hidden(entry.path())) continue;
      const std::string name = entry.path().filename().string();
      if (entry.is_directory()) {
        folders.insert(name);
      } else {
        events_.push_back(
            fmt::format("{}: ignored: it is in no class folder", entry.path().string()));
      }
    }
    std::sort(events_.begin(), events_.end());
    require(!folders.empty(), ExitCode::data, root_.string(), "has no class folders");
    class_names_ = imposed.empty() ? std::vector(folders.begin(), folders.end()) : imposed;
    for (const std::string& folder : folders) {
      require(std::count(class_names_.begin(), class_names_.end(), folder) > 0, ExitCode::data,
              (root_ / folder).string(), "is none of the {} classes of this data set",
              class_names_.size());
    }
  }

  void find_files(std::int32_t label) {
    const fs::path folder = root_ / class_names_[static_cast<std::size_t>(label)];
    std::vector<std::string> found;
    constexpr auto follow = fs::directory_options::follow_directory_symlink;
    if (fs::is_directory(folder)) {
      const auto end = fs::recursive_directory_iterator();
      for (auto at = fs::recursive_directory_iterator(folder, follow); at != end; ++at) {
        if (hidden(at->path())) {
          at.disable_recursion_pending();
        } else if (!at->is_directory()) {
          found.push_back(at->path().lexically_relative(root_).generic_string());
        }
      }
    }
    if (found.empty()) empty_.push_back(folder.string());
    std::sort(found.begin(), found.end());
    files_.insert(files_.end(), found.begin(), found.end());
    labels_.insert(labels_.end(), found.size(), label);
  }

  // One by one, unless they are many: part of a large list of classes.
  void report_empty_classes() {
    constexpr std::size_t few = 5;
    if (empty_.size() > few) {
      events_.push_back(fmt::format("{}: {} of {} classes have no files, {} the first of them",
                                    root_.string(), empty_.size(), class_names_.size(),
                                    empty_.front()));
      return;
    }
    for (const std::string& folder : empty_) {
      events_.push_back(fmt::format("{}: a class without files", folder));
    }
  }

  fs::path root_;
  std::vector<std::string> empty_;  // folders of classes
  std::vector<std::string> files_;  // relative to root_
};

// Reads a file front to back, through gzip if it is gzipped.
class Unzipped {
 public:
  explicit Unzipped(fs::path path) : path_(std::move(path)) {
    file_ = Handle<GzPolicy>(::gzdopen(open_for_reading(path_).release(), "rb"));
    require(bool(file_), ExitCode::data, path_.string(), "cannot open: out of memory");
  }
  // Fewer than asked only at the end. Error(data) for a damaged or cut gzip stream.
  std::size_t read(std::span<std::byte> into) {
    std::size_t done = 0;
    while (done < into.size()) {
      const auto piece = static_cast<unsigned>(std::min<std::size_t>(into.size() - done, 1 << 20));
      const int got = ::gzread(file_.get(), into.data() + done, piece);
      int code = Z_OK;
      const char* reason = ::gzerror(file_.get(), &code);
      require(got >= 0 && code != Z_BUF_ERROR, ExitCode::data, path_.string(),
              "cannot unzip it: {}", reason);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  struct GzPolicy {
    using type = gzFile;
    static type null() noexcept { return nullptr; }
    static void close(type file) noexcept { ::gzclose(file); }
  };
  fs::path path_;
  Handle<GzPolicy> file_;
};

std::string hex(std::span<const std::uint8_t> bytes) {
  std::string text;
  for (const std::uint8_t byte : bytes) text += fmt::format(" {:02x}", byte);
  return text;
}

// Big-endian numbers: 00 00 08 (unsigned bytes), the number of dimensions, each dimension.
template <std::size_t dimensions>
std::array<std::uint32_t, dimensions> read_idx_header(Unzipped& file, const fs::path& path,
                                                      std::string_view what) {
  std::array<std::uint8_t, 4 + 4 * dimensions> header{};
  const std::size_t got = file.read(std::as_writable_bytes(std::span(header)));
  const std::array<std::uint8_t, 4> magic{0, 0, 8, dimensions};
  const auto start = std::span(header).first(std::min<std::size_t>(got, 4));
  require(std::ranges::equal(start, magic), ExitCode::data, path.string(),
          "is no IDX file of {}: it starts with bytes{}, expected{}", what, hex(start), hex(magic));
  require(got == header.size(), ExitCode::data, path.string(), "ends inside its header of {} bytes",
          header.size());
  std::array<std::uint32_t, dimensions> extents{};
  for (std::size_t i = 4; i < header.size(); ++i) {
    std::uint32_t& extent = extents[i / 4 - 1];
    extent = extent << 8 | header[i];
  }
  return extents;
}

// Hands the next `bytes` of a file to `take`, piece by piece. Error(data) unless the file ends
// there.
template <class Take>
void read_idx_body(Unzipped& file, std::uint64_t bytes, const fs::path& path, const Take& take) {
  std::vector<std::byte> buffer(1 << 20);
  for (std::uint64_t done = 0; done < bytes;) {
    const auto piece =
        std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), bytes - done));
    const std::size_t got = file.read(piece);
    require(got == piece.size(), ExitCode::data, path.string(),
            "cut short: {} bytes after the header, which promises {}", done + got, bytes);
    take(std::span<const std::byte>(piece));
    done += got;
  }
  require(file.read(std::span(buffer).first(1)) == 0, ExitCode::data, path.string(),
          "goes on after the {} bytes that its header promises", bytes);
}

// A file without a name, which vanishes when closed.
FileDescriptor anonymous_file(const fs::path& folder) {
  const std::string suffix(staging_suffix);
  std::string path = (folder / ("unzipped.XXXXXX" + suffix)).string();
  FileDescriptor file(::mkostemps(path.data(), static_cast<int>(suffix.size()), O_CLOEXEC));
  require(bool(file), ExitCode::storage, folder.string(), "cannot create a file in it: {}",
          std::strerror(errno));
  ::unlink(path.c_str());
  return file;
}

class IdxSource : public Source {
 public:
  IdxSource(fs::path images, const fs::path& labels, const std::vector<std::string>& imposed,
            const fs::path& scratch)
      : path_(std::move(images)), pixels_(anonymous_file(scratch)) {
    Unzipped file(path_);
    const auto [count, height, width] = read_idx_header<3>(file, path_, "images");
    require(count > 0, ExitCode::data, path_.string(), "holds no images");
    require_image_size(height, width, path_.string());
    raw_ = ImageInfo{
        .height = static_cast<int>(height), .width = static_cast<int>(width), .channels = 1};
    image_bytes_ = std::uint64_t{height} * width;
    read_labels(labels, count);
    std::uint64_t written = 0;
    read_idx_body(file, count * image_bytes_, path_, [&](std::span<const std::byte> piece) {
      write_at(pixels_, piece, written, scratch);
      written += piece.size();
    });
    name_classes(imposed);
  }

  std::string name(std::uint64_t i) const override {
    const fs::path plain = path_.extension() == ".gz" ? path_.stem() : path_.filename();
    return fmt::format("{}[{}]", plain.string(), i);
  }
  std::string place(std::uint64_t i) const override {
    return fmt::format("{}[{}]", path_.string(), i);
  }
  std::span<const std::byte> read(std::uint64_t i, std::vector<std::byte>& buffer) const override {
    if (buffer.size() < image_bytes_) buffer.resize(image_bytes_);
    const auto bytes = std::span(buffer).first(image_bytes_);
    read_at(pixels_, bytes, i * image_bytes_, path_);
    return bytes;
  }

 private:
  void read_labels(const fs::path& path, std::uint32_t images) {
    Unzipped file(path);
    const auto [count] = read_idx_header<1>(file, path, "labels");
    require(count == images, ExitCode::data, path.string(), "holds {} labels, {} has {} images",
            count, path_.filename().string(), images);
    read_idx_body(file, count, path, [&](std::span<const std::byte> piece) {
      for (const std::byte label : piece) labels_.push_back(std::to_integer<std::int32_t>(label));
    });
  }

  void name_classes(const std::vector<std::string>& imposed) {
    const auto largest = std::max_element(labels_.begin(), labels_.end());
    class_names_ = imposed;
    for (std::int32_t i = 0; imposed.empty() && i <= *largest; ++i) {
      class_names_.push_back(std::to_string(i));
    }
    require(static_cast<std::size_t>(*largest) < class_names_.size(), ExitCode::data,
            place(static_cast<std::uint64_t>(largest - labels_.begin())),
            "label out of range: {}, expected 0 to {}", *largest, class_names_.size() - 1);
  }

  fs::path path_;
  FileDescriptor pixels_;  // of all images, unzipped
  std::uint64_t image_bytes_ = 0;
};

fs::path labels_beside(const fs::path& images) {
  std::string name = images.filename().string();
  const std::string from = "images-idx3";
  const std::size_t at = name.find(from);
  require(at != std::string::npos, ExitCode::usage, images.string(),
          "which file holds its labels? Its name does not contain \"{}\"", from);
  return images.parent_path() / name.replace(at, from.size(), "labels-idx1");
}

}  // namespace

std::unique_ptr<Source> open_source(const fs::path& source, const fs::path& labels,
                                    const std::vector<std::string>& class_names,
                                    const fs::path& scratch) {
  require(fs::exists(source), ExitCode::data, source.string(), "does not exist");
  if (fs::is_directory(source)) {
    require(labels.empty(), ExitCode::usage, source.string(),
            "is a folder: its labels are the names of its folders, not in {}", labels.string());
    try {
      return std::make_unique<FolderSource>(source, class_names);
    } catch (const fs::filesystem_error& error) {
      fail(ExitCode::data, error.path1().string(), "cannot be listed: {}", error.code().message());
    }
  }
  return std::make_unique<IdxSource>(source, labels.empty() ? labels_beside(source) : labels,
                                     class_names, scratch);
}

}  // namespace convoy
