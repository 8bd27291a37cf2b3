// Fuzz targets of what can be packed: IDX files, archives, CIFAR's records and tables.
#include "data/sources.h"

#include "tests/data/archives.h"
#include "tests/data/files.h"
#include "tests/fuzz/target.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t most_samples = 64;

const fs::path& scratch() {
  static const TemporaryFolder folder;
  return folder.path();
}

// `input` under this name, as a source.
void read_all(std::string_view name, std::string_view input, const std::string& inside = "") {
  const fs::path path = scratch() / name;
  write_text(path, input);
  take_or_refuse({ExitCode::data, ExitCode::usage}, [&] {
    const auto source = open_source({.path = path, .inside = inside, .scratch = scratch()});
    const auto classes = static_cast<std::int64_t>(source->class_names().size());
    std::vector<std::byte> buffer;
    for (std::uint64_t i = 0; i < std::min(source->size(), most_samples); ++i) {
      expect(source->label(i) >= -1 && source->label(i) < classes, "a label without a class");
      expect(!source->name(i).empty() && !source->place(i).empty(), "a sample without a name");
      take_or_refuse({ExitCode::data}, [&] { source->read(i, buffer); });
    }
  });
}

// The first two bytes are the length of the file of labels, which follows; then that of images.
void read_idx(std::span<const std::byte> input) {
  const std::string_view text = text_of(input);
  if (text.size() < 2) return;
  const auto byte = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(text[i])}; };
  const std::size_t length = std::min(byte(0) * 256 + byte(1), text.size() - 2);
  write_text(scratch() / "some-labels-idx1-ubyte", text.substr(2, length));
  read_all("some-images-idx3-ubyte", text.substr(2 + length));
}

std::vector<std::string> idx_files() {
  const std::string labels = idx_labels(3, 2);
  return {std::string{'\0', static_cast<char>(labels.size())} + labels + idx_images(3)};
}

void read_tar(std::span<const std::byte> input) {
  read_all("images.tar", text_of(input));
}

std::vector<std::string> tars() {
  const std::string jpeg = text_from_hex(grey_jpeg), png = text_from_hex(colour_png);
  const std::string plain = tar_of({{"cat/a.jpg", jpeg}, {"dog/b.png", png}});
  const std::string flat = tar_of({{"a.jpg", jpeg}, {"b.png", png}});
  const std::string long_name(150, 'x');
  write_gzipped(scratch() / "plain.tar.gz", plain);
  return {plain,
          flat,
          tar_of({{"cat.tar", flat}, {"dog.tar", flat}}),
          tar_member("././@LongLink", "cat/" + long_name + std::string(1, '\0'), 'L') +
              tar_member("cat/x", jpeg) + tar_end,
          tar_member("pax", "17 path=cat/name\n", 'x') + tar_member("cat/x", jpeg) + tar_end,
          read_file(scratch() / "plain.tar.gz")};
}

void read_cifar(std::span<const std::byte> input) {
  read_all("cifar.tar", text_of(input), "train");
}

std::vector<std::string> cifar_archives() {
  return {
      tar_of(
          {{"c/batches.meta.txt", "cat\ndog\n"}, {"c/data_batch_1.bin", cifar_records(2, 1, 2)}}),
      tar_of({{"c/fine_label_names.txt", "cat\ndog\n"}, {"c/train.bin", cifar_records(2, 2, 2)}})};
}

void read_table(std::span<const std::byte> input) {
  write_text(scratch() / "a.jpg", text_from_hex(grey_jpeg));
  read_all("table.csv", text_of(input));
}

std::vector<std::string> tables() {
  return {"path,label\na.jpg,cat\n\"a.jpg\",\"dog \"\"two\"\"\"\r\n", "a.jpg\t0\na.jpg\t1\n",
          "file\na.jpg\n", "\xEF\xBB\xBFimage,class\na.jpg,3\n"};
}

}  // namespace

const Target idx{"idx", read_idx, idx_files};
const Target tar{"tar", read_tar, tars};
const Target cifar{"cifar", read_cifar, cifar_archives};
const Target table{"table", read_table, tables};

}  // namespace convoy::fuzz
