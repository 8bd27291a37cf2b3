#include "data/sources.h"

#include <algorithm>

#include "data/sources/kinds.h"
#include "data/sources/tar.h"
#include "data/sources/unzip.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t start_bytes = 4096;
constexpr std::size_t max_class_name_bytes = 1024;  // shards pad all names to the longest

std::unique_ptr<Source> open_folder(const SourceOptions& options) {
  const fs::path inside = options.path / options.inside;
  if (!options.inside.empty() && fs::is_directory(inside)) {
    return labelled_files(files_in_folder(inside), options);
  }
  auto files = files_in_folder(options.path);
  if (auto cifar = cifar_images(*files, options)) return cifar;
  require(options.inside.empty(), ExitCode::data, options.path.string(), "has no folder {}",
          options.inside);
  return labelled_files(std::move(files), options);
}

std::unique_ptr<Source> open_tar(const SourceOptions& options) {
  auto files = files_in_tar(options.path, options.scratch);
  if (auto cifar = cifar_images(*files, options)) return cifar;
  if (!options.inside.empty()) {
    files = files_inside(std::move(files), options.inside, options.path.string());
  }
  return labelled_files(std::move(files), options);
}

// Not one zero and not one control character but those that lay text out.
bool is_text(std::span<const std::byte> start) {
  return std::ranges::all_of(start, [](std::byte byte) {
    const auto c = std::to_integer<unsigned char>(byte);
    return c >= 0x20 || c == '\t' || c == '\n' || c == '\r';
  });
}

std::unique_ptr<Source> open_any(const SourceOptions& options) {
  const std::string place = options.path.string();
  std::error_code error;
  const fs::file_status status = fs::status(options.path, error);
  require(fs::exists(status), ExitCode::data, place, "does not exist");
  require(options.label_map.empty() || !options.unlabelled, ExitCode::usage, place,
          "labels to translate, and no labels: choose one");
  require(options.labels.empty() || !options.unlabelled, ExitCode::usage, place,
          "labels in {}, and no labels: choose one", options.labels.string());
  if (fs::is_directory(status)) return open_folder(options);

  std::vector<std::byte> start(start_bytes);
  start.resize(Unzipped(options.path).read(start));
  require(!start.empty(), ExitCode::data, place, "is empty");
  if (is_tar(start)) return open_tar(options);
  constexpr std::array idx_start{std::byte{0}, std::byte{0}, std::byte{8}};
  if (std::ranges::equal(std::span(start).first(std::min<std::size_t>(3, start.size())),
                         idx_start)) {
    return idx_images(options);
  }
  constexpr std::string_view expected =
      "expected a folder or tar of images, an IDX file of images, or a table of their paths";
  const ImageType type = sniff(start);
  require(type == ImageType::unknown, ExitCode::data, place, "is a {} image, {}", name_of(type),
          expected);
  require(is_text(start), ExitCode::data, place, "is of no known kind, {}", expected);
  return listed_files(options);
}

}  // namespace

std::unique_ptr<Source> open_source(const SourceOptions& options) {
  auto source = open_any(options);
  for (const std::string& name : source->class_names()) {
    require(name.size() <= max_class_name_bytes && !has_control_characters(name), ExitCode::data,
            options.path.string(),
            "has a class whose name has control characters or more than {} bytes",
            max_class_name_bytes);
  }
  return source;
}

}  // namespace convoy
