// Packing goes over the source twice: to learn of each sample what the index must hold, and, once
// every shard's exact size is known, to copy the images into their places. Nothing in the result
// depends on which thread or rank did what.
//
// Until all is done, OUTPUT holds SPLIT.journal.staged (data/survey.h), whole shards as
// SPLIT-00000-of-00002.h5.staged, and unfinished ones with ".part" in between.
#include "data/pack.h"

#include <algorithm>
#include <optional>
#include <sstream>

#include "data/convert.h"
#include "data/manifest.h"
#include "data/parallel.h"
#include "data/sampler.h"
#include "data/shard_reader.h"
#include "data/shard_writer.h"
#include "data/staging.h"
#include "data/survey.h"
#include "ops/core/check.h"
#include "ops/core/checksum.h"
#include "ops/core/log.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t slab_bytes = 4 << 20;     // images are written in runs of about this
constexpr std::uint64_t worth_a_line = 64 << 20;  // shards whose writing takes a while
constexpr const char* suffix_of_parts = ".part";

// Numbers in the source of the usable samples, in the order of storage.
std::vector<std::uint64_t> storage_order(const Survey& survey, const PackOptions& options) {
  std::vector<std::uint64_t> usable;
  for (std::uint64_t i = 0; i < survey.samples.size(); ++i) {
    if (survey.samples[i].usable) usable.push_back(i);
  }
  if (!options.mix || usable.empty()) return usable;
  const Sampler sampler(usable.size(), options.seed, Order::full);
  std::vector<std::uint64_t> mixed(usable.size());
  for (std::uint64_t at = 0; at < mixed.size(); ++at) {
    mixed[at] = usable[sampler.index(storage_epoch, at)];
  }
  return mixed;
}

// Cuts runs of samples of about `target` bytes: a run ends where the bytes before it cross the next
// multiple of the target. Returns the end of each run.
std::vector<std::uint64_t> cut(std::span<const std::uint64_t> order, const Survey& survey,
                               std::uint64_t target) {
  std::vector<std::uint64_t> ends;
  std::uint64_t before = 0, run = 0;
  for (std::uint64_t at = 0; at < order.size(); ++at) {
    if (at > 0 && before / target != run) ends.push_back(at);
    run = before / target;
    before += survey.samples[order[at]].bytes;
  }
  ends.push_back(order.size());
  return ends;
}

std::vector<std::uint64_t> cut_shards(std::span<const std::uint64_t> order, const Survey& survey,
                                      std::uint64_t shard_bytes) {
  std::uint64_t total = 0;
  for (const std::uint64_t i : order) total += survey.samples[i].bytes;
  const std::uint64_t shards = std::max<std::uint64_t>((total + shard_bytes - 1) / shard_bytes, 1);
  return cut(order, survey, std::max<std::uint64_t>((total + shards - 1) / shards, 1));
}

ShardIndex index_of(std::span<const std::uint64_t> samples, const Source& source,
                    const Survey& survey, std::uint64_t first_sample_id) {
  ShardIndex index;
  for (const std::uint64_t i : samples) {
    const Surveyed& sample = survey.samples[i];
    const std::string name = source.name(i);
    index.offsets.push_back(index.offsets.back() + sample.bytes);
    index.labels.push_back(source.label(i));
    index.sample_ids.push_back(first_sample_id + index.sample_ids.size());
    index.height.push_back(sample.height);
    index.width.push_back(sample.width);
    index.channels.push_back(sample.channels);
    index.encoding.push_back(static_cast<std::uint8_t>(sample.encoding));
    index.crc32c.push_back(sample.crc32c);
    index.names_bytes.insert(index.names_bytes.end(), name.begin(), name.end());
    index.names_offsets.push_back(index.names_bytes.size());
  }
  return index;
}

void check_options(const PackOptions& options) {
  const auto good = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; };
  const bool named = !options.split.empty() && options.split.size() <= 64 &&
                     std::all_of(options.split.begin(), options.split.end(), good) &&
                     options.split != "class_names";
  require(named, ExitCode::usage, "pack",
          "split \"{}\": expected a name of letters, digits, - and _", options.split);
  require(options.threads > 0, ExitCode::usage, "pack", "{} threads, expected at least 1",
          options.threads);
  require(options.shard_bytes > 0, ExitCode::usage, "pack", "shards of 0 bytes");
  const Reencode& reencode = options.reencode;
  require(reencode.max_side >= 0 && reencode.short_side >= 0, ExitCode::usage, "pack",
          "images of {} pixels", std::min(reencode.max_side, reencode.short_side));
  require(reencode.quality >= 0 && reencode.quality <= 100, ExitCode::usage, "pack",
          "JPEG quality {}, expected 1 to 100", reencode.quality);
}

// The manifest as it stands, or an empty one with the imposed class names.
Manifest begin_manifest(const PackOptions& options, const std::vector<std::string>& class_names) {
  if (!fs::exists(manifest_path(options.output))) return {.class_names = class_names};
  Manifest manifest = read_manifest(options.output);
  const std::string place = manifest_path(options.output).string();
  require(manifest.find(options.split) == nullptr, ExitCode::usage, place,
          "holds a split \"{}\" already: remove the data set or choose another folder or name",
          options.split);
  require(class_names.empty() || class_names == manifest.class_names, ExitCode::usage, place,
          "its {} classes are not the {} asked for", manifest.class_names.size(),
          class_names.size());
  return manifest;
}

std::string options_text(const PackOptions& options) {
  std::string text = fmt::format(R"({{"seed": {}, "mix": {}, "shard_bytes": {}, "bad": "{}")",
                                 options.seed, options.mix, options.shard_bytes,
                                 options.bad == BadPolicy::fail ? "fail" : "skip");
  if (const Reencode& reencode = options.reencode; reencode.wanted()) {
    text += fmt::format(R"(, "max_side": {}, "short_side": {}, "quality": {})", reencode.max_side,
                        reencode.short_side, reencode.quality_or_default());
  }
  return text + "}";
}

std::string journal_name(const PackOptions& options) {
  return options.split + ".journal";
}

// Whether `name` is "SPLIT-DIGITS-of-DIGITS.h5".
bool names_shard(std::string_view name, const std::string& split) {
  const auto skip = [&](std::string_view text) {
    const bool there = name.starts_with(text);
    if (there) name.remove_prefix(text.size());
    return there;
  };
  const auto skip_digits = [&] {
    const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
    name.remove_prefix(digits);
    return digits > 0;
  };
  return skip(split + "-") && skip_digits() && skip("-of-") && skip_digits() && name == ".h5";
}

// What a killed run of this split left: unfinished files are removed, whole shards are staged (the
// renamed ones again: no manifest lists them yet), for `staging` to remove if this run has no use
// for them.
void take_over(const PackOptions& options, Staging& staging) {
  const auto is_shard = [&](std::string_view name) { return names_shard(name, options.split); };
  const std::string suffix(staging_suffix);
  const std::string part = suffix_of_parts + suffix;
  std::error_code error;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(options.output, error)) {
    paths.push_back(entry.path());
  }
  for (const fs::path& path : paths) {
    const std::string name = path.filename().string();
    const std::string stem = path.stem().string();
    if (is_shard(name)) {
      fs::rename(path, staging.add_scratch(name), error);
    } else if (name.ends_with(suffix) && is_shard(stem)) {
      staging.add_scratch(stem);
    } else if (name == "manifest.h5" + suffix ||
               (name.starts_with("unzipped.") && name.ends_with(suffix)) ||
               (name.ends_with(part) && is_shard(name.substr(0, name.size() - part.size())))) {
      fs::remove(path, error);
    }
  }
}

// All that is known before the second pass.
struct Plan {
  const Source& source;
  const PackOptions& options;
  const Survey& survey;
  std::vector<std::uint64_t> order;
  std::vector<std::uint64_t> ends;  // of the shards in `order`
  std::vector<std::string> names;   // of the shards
  PixelStatistics pixels;

  std::uint64_t first(std::uint64_t number) const { return number == 0 ? 0 : ends[number - 1]; }
  std::span<const std::uint64_t> samples(std::uint64_t number) const {
    return std::span(order).subspan(first(number), ends[number] - first(number));
  }
};

// The second pass over one shard's samples.
void copy_images(const Plan& plan, std::span<const std::uint64_t> samples, const ShardIndex& index,
                 const ShardWriter& shard) {
  struct Scratch {
    explicit Scratch(const Reencode& reencode) : converter(reencode) {}
    std::vector<std::byte> image, slab;
    Converter converter;
  };
  const std::vector<std::uint64_t> ends = cut(samples, plan.survey, slab_bytes);
  std::vector<Scratch> scratch;
  for (int i = 0; i < plan.options.threads; ++i) scratch.emplace_back(plan.options.reencode);
  parallel_for(plan.options.threads, ends.size(), [&](int thread, std::uint64_t run) {
    auto& [image, slab, converter] = scratch[static_cast<std::size_t>(thread)];
    const std::uint64_t first = run == 0 ? 0 : ends[run - 1];
    slab.clear();
    for (std::uint64_t at = first; at < ends[run]; ++at) {
      const std::uint64_t i = samples[at];
      const Conversion conversion = plan.survey.samples[i].conversion;
      std::span<const std::byte> bytes = plan.source.read(i, image);
      if (conversion != Conversion::none && conversion != Conversion::kept) {
        bytes = converter.convert(bytes, plan.source.place(i)).bytes;
      }
      require(bytes.size() == index.bytes(at) && crc32c(bytes) == index.crc32c[at], ExitCode::data,
              plan.source.place(i), "changed while it was being packed");
      slab.insert(slab.end(), bytes.begin(), bytes.end());
    }
    shard.write(slab, index.offsets[first]);
  });
}

// Whether the file is this shard, whole, in every image.
bool holds(const fs::path& path, const ShardHeader& header, const ShardIndex& index, int threads) {
  if (!fs::exists(path)) return false;
  try {
    const ShardReader shard(path);
    if (shard.header() != header) return false;
    if (shard.index_crc32c() != checksum_of(index, header.class_names)) return false;
    std::vector<std::vector<std::byte>> buffers(static_cast<std::size_t>(threads));
    parallel_for(threads, index.samples(), [&](int thread, std::uint64_t i) {
      shard.read(i, buffers[static_cast<std::size_t>(thread)]);
    });
    return true;
  } catch (const Error& error) {
    log_warning("{} (written again)", error.what());
    return false;
  }
}

// Writes shard `number`, unless it is there already.
ManifestShard write_shard(const Plan& plan, std::uint64_t number) {
  const auto samples = plan.samples(number);
  const ShardIndex index = index_of(samples, plan.source, plan.survey, plan.first(number));
  const ShardHeader header{.split = plan.options.split,
                           .shard_index = number,
                           .shard_count = plan.ends.size(),
                           .first_sample_id = plan.first(number),
                           .pack_options = options_text(plan.options),
                           .jpeg_policy = policy_text(plan.options.reencode),
                           .pixels = plan.pixels,
                           .class_names = plan.source.class_names()};
  const std::string& name = plan.names[number];
  const fs::path path = staged_path(plan.options.output, name);
  if (!holds(path, header, index, plan.options.threads)) {
    const fs::path part = staged_path(plan.options.output, name + suffix_of_parts);
    ShardWriter shard(part, header, index);
    copy_images(plan, samples, index, shard);
    shard.finish();
    std::error_code error;
    fs::rename(part, path, error);
    require(!error, ExitCode::storage, path.string(), "cannot rename to it: {}", error.message());
  }
  return {.file = name,
          .bytes = fs::file_size(path),
          .samples = index.samples(),
          .sha256 = sha256_of_file(path),
          .index_crc32c = checksum_of(index, header.class_names)};
}

// As ranks tell each other; the name is known.
std::string text_of(std::uint64_t number, const ManifestShard& shard) {
  return fmt::format("{} {} {} {} {}\n", number, shard.bytes, shard.samples, shard.sha256,
                     shard.index_crc32c);
}

std::vector<ManifestShard> write_shards(const Plan& plan, const PackGroup& group) {
  std::string mine;
  group.together([&] {
    for (auto number = static_cast<std::uint64_t>(group.rank); number < plan.ends.size();
         number += static_cast<std::uint64_t>(group.size)) {
      const ManifestShard shard = write_shard(plan, number);
      mine += text_of(number, shard);
      if (shard.bytes >= worth_a_line) log_info("{} is written", shard.file);
    }
  });
  std::vector<ManifestShard> shards(plan.ends.size());
  for (const std::string& rank : group.gather(mine)) {
    std::istringstream lines(rank);
    std::uint64_t number = 0;
    while (lines >> number) {
      ManifestShard& shard = shards[number];
      shard.file = plan.names[number];
      lines >> shard.bytes >> shard.samples >> shard.sha256 >> shard.index_crc32c;
    }
  }
  return shards;
}

// What goes with the options and with the splits that are there.
std::unique_ptr<Source> open_fitting(const SourceOptions& source_options,
                                     const PackOptions& options, const Manifest& manifest) {
  auto source = open_source(source_options);
  require(!source->raw() || !options.reencode.wanted(), ExitCode::usage,
          source_options.path.string(), "holds raw pixels, which are not encoded");
  require(manifest.splits.empty() || source->class_names() == manifest.class_names, ExitCode::usage,
          manifest_path(options.output).string(), "its splits have no classes, this source has {}",
          source->class_names().size());
  return source;
}

// On every rank.
void require_same_source(const Source& source, const fs::path& path, const PackGroup& group) {
  if (group.size == 1) return;
  const std::vector<std::string> listings = group.gather(listing_of(source));
  const auto other = std::ranges::find_if(
      listings, [&](const std::string& listing) { return listing != listings[0]; });
  group.together([&] {
    require(other == listings.end(), ExitCode::data, path.string(),
            "ranks 0 and {} find other files in it: all must see the same",
            other - listings.begin());
  });
}

PackReport report_of(const Source& source, const Survey& survey) {
  PackReport report{.events = source.events()};
  const auto count = [&](auto kind) {
    return static_cast<std::uint64_t>(std::ranges::count(survey.events, kind, &SurveyEvent::kind));
  };
  report.left_out = count(EventKind::left_out);
  report.rewritten = count(EventKind::rewritten);
  report.recoloured = count(EventKind::recoloured);
  report.misnamed = count(EventKind::misnamed);
  report.reencoded = static_cast<std::uint64_t>(
      std::ranges::count(survey.samples, Conversion::reencoded, &Surveyed::conversion));
  for (const SurveyEvent& event : survey.events) report.events.push_back(event.text);
  return report;
}

Plan plan_of(const Source& source, const PackOptions& options, const Survey& survey) {
  Plan plan{.source = source,
            .options = options,
            .survey = survey,
            .order = storage_order(survey, options),
            .pixels = survey.pixels.statistics()};
  if (plan.order.empty()) return plan;
  plan.ends = cut_shards(plan.order, survey, options.shard_bytes);
  for (std::size_t number = 0; number < plan.ends.size(); ++number) {
    plan.names.push_back(
        fmt::format("{}-{:05}-of-{:05}.h5", options.split, number, plan.ends.size()));
  }
  return plan;
}

ManifestSplit split_of(const Plan& plan, std::vector<ManifestShard> shards) {
  ManifestSplit split{
      .name = plan.options.split, .shards = std::move(shards), .pixels = plan.pixels};
  split.label_histogram.resize(plan.source.class_names().size());
  for (const std::uint64_t i : plan.order) {
    const std::int32_t label = plan.source.label(i);
    if (label >= 0) ++split.label_histogram[static_cast<std::size_t>(label)];
  }
  return split;
}

}  // namespace

PackReport pack(SourceOptions source_options, const PackOptions& options, const PackGroup& group) {
  check_options(options);
  const bool root = group.rank == 0;
  std::optional<Staging> staging;  // the first rank's
  Manifest manifest;
  group.together([&] {
    if (!root) return;
    staging.emplace(options.output);
    manifest = begin_manifest(options, source_options.class_names);
    take_over(options, *staging);
  });
  std::unique_ptr<Source> source;
  std::optional<Journal> journal;  // the first rank's
  group.together([&] {
    if (!root) manifest = begin_manifest(options, source_options.class_names);
    source_options.class_names = manifest.class_names;
    source_options.scratch = options.output;
    source = open_fitting(source_options, options, manifest);
    if (!root) return;
    journal.emplace(staging->add_scratch(journal_name(options)), subject_of(*source, options));
  });
  require_same_source(*source, source_options.path, group);
  const Survey found = survey(*source, options, group, journal ? &*journal : nullptr);
  const Plan plan = plan_of(*source, options, found);
  group.together([&] {
    require(!plan.order.empty(), ExitCode::data, source_options.path.string(),
            "has no usable image among {} files", source->size());
    if (!root) return;
    for (const std::string& name : plan.names) {
      staging->add_scratch(name + suffix_of_parts);
      staging->add(name);
    }
  });
  manifest.class_names = source->class_names();
  manifest.splits.push_back(split_of(plan, write_shards(plan, group)));
  PackReport report = report_of(*source, found);
  for (const ManifestShard& shard : manifest.splits.back().shards) report.bytes += shard.bytes;
  report.samples = plan.order.size();
  report.classes = static_cast<int>(manifest.class_names.size());
  report.shards = static_cast<int>(plan.ends.size());
  std::ranges::sort(manifest.splits, {}, &ManifestSplit::name);
  group.together([&] {
    if (!root) return;
    write_manifest(staging->add(manifest_path("").string()), manifest);
    staging->commit();
  });
  return report;
}

}  // namespace convoy
