// MNIST's format, IDX: big-endian numbers, then the bytes of all images.
#include <algorithm>
#include <array>
#include <cstring>

#include "data/sources/kinds.h"
#include "data/sources/unzip.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

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

fs::path labels_beside(const fs::path& images) {
  std::string name = images.filename().string();
  const std::string from = "images-idx3";
  const std::size_t at = name.find(from);
  require(at != std::string::npos, ExitCode::usage, images.string(),
          "which file holds its labels? Its name does not contain \"{}\"", from);
  return images.parent_path() / name.replace(at, from.size(), "labels-idx1");
}

class IdxSource : public Source {
 public:
  explicit IdxSource(const SourceOptions& options)
      : path_(options.path), pixels_(anonymous_file(options.scratch)) {
    Unzipped file(path_);
    const auto [count, height, width] = read_idx_header<3>(file, path_, "images");
    require(count > 0, ExitCode::data, path_.string(), "holds no images");
    require_image_size(height, width, path_.string());
    raw_ = ImageInfo{
        .height = static_cast<int>(height), .width = static_cast<int>(width), .channels = 1};
    image_bytes_ = std::uint64_t{height} * width;
    if (!options.unlabelled) {
      read_labels(options.labels.empty() ? labels_beside(path_) : options.labels, count);
    }
    std::uint64_t written = 0;
    read_idx_body(file, count * image_bytes_, path_, [&](std::span<const std::byte> piece) {
      write_at(pixels_, piece, written, options.scratch);
      written += piece.size();
    });
    labels_.resize(count, -1);
    name_classes(options.class_names);
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
  void stamp(Sha256& digest) const override {
    stamp_file(digest, path_);
    for (const std::int32_t label : labels_) digest.update(fmt::format("{} ", label));
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
    require(*largest < static_cast<std::int64_t>(class_names_.size()), ExitCode::data,
            place(static_cast<std::uint64_t>(largest - labels_.begin())),
            "label out of range: {}, expected 0 to {}", *largest, class_names_.size() - 1);
  }

  fs::path path_;
  FileDescriptor pixels_;  // of all images, unzipped
  std::uint64_t image_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Source> idx_images(const SourceOptions& options) {
  require(options.inside.empty() && options.label_map.empty(), ExitCode::usage,
          options.path.string(), "is an IDX file: it has no folders, its labels are numbers");
  return std::make_unique<IdxSource>(options);
}

}  // namespace convoy
