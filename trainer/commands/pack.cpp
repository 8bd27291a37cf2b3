// convoy pack: image files into shards.
#include "data/pack.h"

#include <algorithm>

#include "cluster/environment.h"
#include "data/dataset.h"
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

}  // namespace

ExitCode pack_command(const Arguments& arguments, Communicator&) {
  PackOptions pack_options;
  pack_options.threads = usable_cores();
  std::string source, out, labels, shard_size = "1G", bad = "fail";
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
