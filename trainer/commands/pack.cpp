// convoy pack: image files into shards.
#include "data/pack.h"

#include <algorithm>
#include <chrono>
#include <sstream>

#include "cluster/environment.h"
#include "ops/core/file.h"
#include "ops/core/log.h"
#include "trainer/commands/commands.h"
#include "trainer/pack_group.h"

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

void say(const PackReport& packed, const std::string& split, const std::string& out,
         const std::string& file) {
  for (std::size_t i = 0; i < std::min(packed.events.size(), events_shown); ++i) {
    log_warning("{}", packed.events[i]);
  }
  if (packed.events.size() > events_shown) {
    log_warning("... and {} more{}", packed.events.size() - events_shown,
                file.empty() ? ": --report FILE takes them all" : "");
  }
  const auto count = [](std::uint64_t images, std::string_view what) {
    if (images > 0) log_info("{} {}", images, what);
  };
  count(packed.left_out, "files left out");
  count(packed.rewritten, "progressive JPEGs stored as baseline, with the same pixels");
  count(packed.recoloured, "CMYK JPEGs stored as PNG of their RGB pixels");
  count(packed.reencoded, "images re-encoded");
  count(packed.misnamed, "files of another type than their name says");
  log_info("{}: {} images of {} classes, {:.1f} MB in {} shards of {}", split, packed.samples,
           packed.classes, static_cast<double>(packed.bytes) / 1e6, packed.shards, out);
  if (file.empty()) return;
  std::string lines;
  for (const std::string& event : packed.events) lines += event + "\n";
  write_file_atomically(file, lines);
}

}  // namespace

ExitCode pack_command(const Arguments& arguments, Communicator& communicator) {
  PackOptions pack_options;
  pack_options.threads = usable_cores();
  SourceOptions source;
  std::string path, out, labels, label_map, classes, report, shard_size = "1G", bad = "fail";
  bool keep_order = false;
  Options options(
      "convoy pack SOURCE --out DIR [options]",
      "Packs image files into HDF5 shards, with a checksum for each image. SOURCE is a\n"
      "folder or a tar (gzipped or not, never extracted) with one folder of images per\n"
      "class, or one tar per class; without such folders its files have the labels of\n"
      "--labels, or none. Or it is a table (CSV, TSV) of image paths and labels, an IDX\n"
      "image file (MNIST), or a folder or tar with the binary files of CIFAR. A label is\n"
      "a class's name, or its number from 0 on. The class order of a further split\n"
      "follows the splits that are there.");
  options.word("SOURCE", path, "folder, tar, table of paths, or IDX file of images")
      .add("out DIR", required_option(out), "folder of the data set; splits are added to it")
      .add("split NAME", option(pack_options.split), "name of the split")
      .add("inside FOLDER", boost::program_options::value(&source.inside),
           "only this folder of the source; of CIFAR's files: train or test")
      .add("labels FILE", boost::program_options::value(&labels),
           "table of file and label, or of one label for each file in byte order of their names; "
           "of IDX images their IDX labels")
      .add("label-map FILE", boost::program_options::value(&label_map),
           "table: what the labels say, the class that it means")
      .add("columns PATH,LABEL", boost::program_options::value(&source.columns),
           "headers of the columns of tables (default: usual names, else the first two)")
      .flag("unlabelled", source.unlabelled, "take every file, without a label")
      .add("classes FILE", boost::program_options::value(&classes),
           "all classes in the order of their numbers, one folder name in the first column of each "
           "line; folders may be missing (default: the folders, sorted)")
      .add("shard-size SIZE", option(shard_size), "bytes of images per shard, roughly (K, M, G)")
      .add("seed N", option(pack_options.seed), "of the order in which samples are stored")
      .flag("keep-order", keep_order, "store samples in the order of the source")
      .add("bad WHAT", option(bad), "what to do with images that cannot be used: fail or skip")
      .add("max-side N", option(pack_options.reencode.max_side),
           "make images smaller whose longer side has more pixels, and encode them as JPEG (0: no)")
      .add("short-side N", option(pack_options.reencode.short_side), "the same by the shorter side")
      .add("quality N", option(pack_options.reencode.quality),
           "of images that are encoded, 1 to 100 (0: 90); alone, it encodes all")
      .add("report FILE", boost::program_options::value(&report),
           "write a line for everything unusual")
      .add("threads N", option(pack_options.threads), "threads that read and decode");
  if (!options.parse(arguments)) return ExitCode::done;
  require(bad == "fail" || bad == "skip", ExitCode::usage, "convoy pack",
          "--bad: found '{}', expected fail or skip", bad);

  pack_options.output = out;
  pack_options.mix = !keep_order;
  pack_options.shard_bytes = bytes_of(shard_size);
  pack_options.bad = bad == "skip" ? BadPolicy::skip : BadPolicy::fail;
  if (!classes.empty()) source.class_names = classes_of(classes);
  source.path = path;
  source.labels = labels;
  source.label_map = label_map;
  communicator.set_deadline(std::chrono::hours(24));  // ranks wait for the slowest one's files
  const PackReport packed = pack(source, pack_options, group_of(communicator));
  if (communicator.rank() == 0) say(packed, pack_options.split, out, report);
  return ExitCode::done;
}

}  // namespace convoy
