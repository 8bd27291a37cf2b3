// convoy pack: image files into shards.
#include "data/pack.h"

#include <algorithm>
#include <sstream>

#include "cluster/environment.h"
#include "data/dataset.h"
#include "ops/core/file.h"
#include "ops/core/log.h"
#include "trainer/commands/commands.h"

namespace convoy {
namespace {

constexpr std::size_t events_shown = 20;

// "512M" as bytes; plain numbers are bytes.
std::uint64_t bytes_of(const std::string& text) {
  std::size_t digits = 0;
  std::uint64_t number = 0;
  try {
    number = std::stoull(text, &digits);
  } catch (const std::exception&) {
    digits = 0;
  }
  const std::string unit = text.substr(digits);
  const int shift = unit.empty() ? 0 : unit == "K" ? 10 : unit == "M" ? 20 : unit == "G" ? 30 : -1;
  const bool good = digits > 0 && text[0] != '-' && shift >= 0 && number > 0 &&
                    number <= (std::uint64_t{1} << 50 >> shift);
  require(good, ExitCode::usage, "convoy pack",
          "--shard-size: found '{}', expected a size such as 512M or 1G", text);
  return number << shift;
}

// The first column of each line.
std::vector<std::string> classes_of(const std::string& file) {
  std::vector<std::string> names;
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line);) {
    names.push_back(line.substr(0, line.find_first_of("\t\r")));
    require(!names.back().empty(), ExitCode::data, fmt::format("{}:{}", file, names.size()),
            "names no class, expected one in the first column of every line");
  }
  require(!names.empty(), ExitCode::data, file, "is empty, expected a class in every line");
  std::vector<std::string> sorted = names;
  std::ranges::sort(sorted);
  const auto twin = std::ranges::adjacent_find(sorted);
  if (twin != sorted.end()) fail(ExitCode::data, file, "names the class {} twice", *twin);
  return names;
}

}  // namespace

ExitCode pack_command(const Arguments& arguments, Communicator&) {
  PackOptions pack_options;
  pack_options.threads = usable_cores();
  std::string source, out, labels, classes, shard_size = "1G", bad = "fail";
  bool keep_order = false;
  Options options(
      "convoy pack SOURCE --out DIR [options]",
      "Packs image files into HDF5 shards, with a checksum for each image. SOURCE is a\n"
      "folder with one folder of images per class, or an IDX image file (MNIST; gzipped\n"
      "or not) with its labels. Images are stored as they are; each is decoded once to\n"
      "see that it can be. The class order of a further split follows the splits that\n"
      "are there.");
  options.word("SOURCE", source, "folder of class folders, or IDX file of images")
      .add("out DIR", required_option(out), "folder of the data set; splits are added to it")
      .add("split NAME", option(pack_options.split), "name of the split")
      .add("labels FILE", boost::program_options::value(&labels), "IDX file of labels")
      .add("classes FILE", boost::program_options::value(&classes),
           "all classes in the order of their numbers, one folder name in the first column of each "
           "line; folders may be missing (default: the folders, sorted)")
      .add("shard-size SIZE", option(shard_size), "bytes of images per shard, roughly (K, M, G)")
      .add("seed N", option(pack_options.seed), "of the order in which samples are stored")
      .flag("keep-order", keep_order, "store samples in the order of the source")
      .add("bad WHAT", option(bad), "what to do with images that cannot be used: fail or skip")
      .add("threads N", option(pack_options.threads), "threads that read and decode");
  if (!options.parse(arguments)) return ExitCode::done;
  require(bad == "fail" || bad == "skip", ExitCode::usage, "convoy pack",
          "--bad: found '{}', expected fail or skip", bad);

  pack_options.output = out;
  pack_options.mix = !keep_order;
  pack_options.shard_bytes = bytes_of(shard_size);
  pack_options.bad = bad == "skip" ? BadPolicy::skip : BadPolicy::fail;
  if (std::filesystem::exists(pack_options.output / "manifest.h5")) {
    pack_options.class_names = Dataset(out, splits_of(out).front()).class_names();
  }
  if (!classes.empty()) {
    const std::vector<std::string> listed = classes_of(classes);
    require(pack_options.class_names.empty() || pack_options.class_names == listed, ExitCode::data,
            classes, "does not list the {} classes of the splits that {} has already",
            pack_options.class_names.size(), out);
    pack_options.class_names = listed;
  }
  const PackReport report = pack(source, labels, pack_options);
  for (std::size_t i = 0; i < std::min(report.events.size(), events_shown); ++i) {
    log_warning("{}", report.events[i]);
  }
  if (report.events.size() > events_shown) {
    log_warning("... and {} more", report.events.size() - events_shown);
  }
  log_info("{}: {} images of {} classes, {:.1f} MB in {} shards of {}", pack_options.split,
           report.samples, report.classes, static_cast<double>(report.bytes) / 1e6, report.shards,
           out);
  return ExitCode::done;
}

}  // namespace convoy
