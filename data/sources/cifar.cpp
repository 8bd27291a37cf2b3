// The binary files of CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning Multiple Layers of Features
// from Tiny Images", 2009): records of one or two bytes of label, of which the last is taken (the
// first of CIFAR-100's is the coarse one), and 32 x 32 pixels, channel after channel.
#include <algorithm>
#include <array>
#include <sstream>

#include "data/sources/kinds.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

constexpr std::size_t side = 32, channels = 3;
constexpr std::size_t image_bytes = side * side * channels;

struct Variant {
  std::string_view classes;  // the file of the classes' names
  std::size_t label_bytes;
  std::vector<std::string_view> train, test;
};

const std::array<Variant, 2> variants{
    Variant{"batches.meta.txt",
            1,
            {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
             "data_batch_5.bin"},
            {"test_batch.bin"}},
    Variant{"fine_label_names.txt", 2, {"train.bin"}, {"test.bin"}}};

class CifarSource : public Source {
 public:
  CifarSource(const Files& files, const Variant& variant, const SourceOptions& options)
      : variant_(variant) {
    const std::string where = options.path.string();
    require(options.inside == "train" || options.inside == "test", ExitCode::usage, where,
            "has training and test images of CIFAR: which of them, by --inside train or test?");
    require(options.labels.empty() && !options.unlabelled, ExitCode::usage, where,
            "has labels of its own");
    raw_ = ImageInfo{.height = side, .width = side, .channels = channels};
    Sha256 digest;
    files.stamp(digest);
    stamp_ = digest.hex();
    name_classes(files, options);
    for (const std::string_view file : options.inside == "train" ? variant.train : variant.test) {
      read_batch(files, file);
    }
    require(!batches_.empty(), ExitCode::data, where, "has none of CIFAR's {} images",
            options.inside);
  }

  // The file of CIFAR called `file`, whatever folder it is in; files.size() if there is none.
  static std::uint64_t find(const Files& files, std::string_view file) {
    for (std::uint64_t i = 0; i < files.size(); ++i) {
      const std::string_view name = files.name(i);
      if (name.substr(name.rfind('/') + 1) == file) return i;
    }
    return files.size();
  }

  std::string name(std::uint64_t i) const override {
    const auto [batch, at] = find_image(i);
    return fmt::format("{}[{}]", batch.name, at);
  }
  std::string place(std::uint64_t i) const override {
    const auto [batch, at] = find_image(i);
    return fmt::format("{}[{}]", batch.place, at);
  }
  std::span<const std::byte> read(std::uint64_t i, std::vector<std::byte>& buffer) const override {
    const auto [batch, at] = find_image(i);
    const std::byte* planes = &batch.records[at * record_bytes() + variant_.label_bytes];
    if (buffer.size() < image_bytes) buffer.resize(image_bytes);
    for (std::size_t pixel = 0; pixel < side * side; ++pixel) {
      for (std::size_t c = 0; c < channels; ++c) {
        buffer[pixel * channels + c] = planes[c * side * side + pixel];
      }
    }
    return std::span(buffer).first(image_bytes);
  }
  void stamp(Sha256& digest) const override { digest.update(stamp_); }

 private:
  struct Batch {
    std::string name, place;
    std::vector<std::byte> records;
    std::uint64_t end;  // one past its last image, counted over all batches
  };
  struct Found {
    const Batch& batch;
    std::uint64_t at;
  };

  std::size_t record_bytes() const { return variant_.label_bytes + image_bytes; }

  Found find_image(std::uint64_t i) const {
    const auto batch = std::ranges::upper_bound(batches_, i, {}, &Batch::end);
    const std::uint64_t images = batch->records.size() / record_bytes();
    return {*batch, i - (batch->end - images)};
  }

  void name_classes(const Files& files, const SourceOptions& options) {
    std::vector<std::byte> buffer;
    const std::uint64_t file = find(files, variant_.classes);
    const auto bytes = files.read(file, buffer);
    std::istringstream lines(
        std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    const std::string place = files.place(files.name(file));
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      if (line.empty()) continue;
      require(!has_control_characters(line), ExitCode::data, place,
              "has a control character in the name of class {}", class_names_.size());
      class_names_.push_back(line);
    }
    require(!class_names_.empty(), ExitCode::data, place, "names no classes");
    require(options.class_names.empty() || options.class_names == class_names_, ExitCode::data,
            place, "its {} classes are not the {} of this data set", class_names_.size(),
            options.class_names.size());
  }

  void read_batch(const Files& files, std::string_view name) {
    const std::uint64_t file = find(files, name);
    if (file == files.size()) return;
    Batch batch{.name = std::string(name), .place = files.place(files.name(file))};
    const std::size_t bytes = files.read(file, batch.records).size();
    batch.records.resize(bytes);
    require(bytes % record_bytes() == 0, ExitCode::data, batch.place,
            "has {} bytes, expected records of {}", bytes, record_bytes());
    for (std::size_t at = 0; at < bytes; at += record_bytes()) {
      const auto label = std::to_integer<std::size_t>(batch.records[at + variant_.label_bytes - 1]);
      require(label < class_names_.size(), ExitCode::data,
              fmt::format("{}[{}]", batch.place, at / record_bytes()),
              "label out of range: {}, expected 0 to {}", label, class_names_.size() - 1);
      labels_.push_back(static_cast<std::int32_t>(label));
    }
    batch.end = labels_.size();
    batches_.push_back(std::move(batch));
  }

  const Variant& variant_;
  std::vector<Batch> batches_;
  std::string stamp_;  // of the files
};

}  // namespace

std::unique_ptr<Source> cifar_images(const Files& files, const SourceOptions& options) {
  for (const Variant& variant : variants) {
    const auto has = [&](std::string_view file) {
      return CifarSource::find(files, file) < files.size();
    };
    if (has(variant.classes) && (has(variant.train[0]) || has(variant.test[0]))) {
      return std::make_unique<CifarSource>(files, variant, options);
    }
  }
  return nullptr;
}

}  // namespace convoy
