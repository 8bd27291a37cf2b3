// Packing goes over the source twice: to learn of each sample what the index must hold, and, once
// every shard's exact size is known, to copy the images into their places. Nothing in the result
// depends on which thread or rank did what.
//
// Until all is done, OUTPUT holds SPLIT.journal.staged (data/survey.h) beside the shards
// (data/split_files.h).
#include "data/pack.h"

#include <algorithm>
#include <optional>

#include "data/convert.h"
#include "data/manifest.h"
#include "data/parallel.h"
#include "data/sampler.h"
#include "data/shard_writer.h"
#include "data/split_files.h"
#include "data/staging.h"
#include "data/survey.h"
#include "ops/core/check.h"
#include "ops/core/checksum.h"
#include "ops/core/log.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t slab_bytes = 4 << 20;  // images are written in runs of about this

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
  require_split_name(options.split);
  require(options.threads > 0, ExitCode::usage, "pack", "{} threads, expected at least 1",
          options.threads);
  require(options.shard_bytes > 0, ExitCode::usage, "pack", "shards of 0 bytes");
  const Reencode& reencode = options.reencode;
  require(reencode.max_side >= 0 && reencode.short_side >= 0, ExitCode::usage, "pack",
          "images of {} pixels", std::min(reencode.max_side, reencode.short_side));
  require(reencode.quality >= 0 && reencode.quality <= 100, ExitCode::usage, "pack",
          "JPEG quality {}, expected 1 to 100", reencode.quality);
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
  const fs::path& folder = plan.options.output;
  const auto found = find_staged(folder, name, header, index, plan.options.threads);
  return found ? *found : write_staged(folder, name, header, index, [&](const ShardWriter& shard) {
    copy_images(plan, samples, index, shard);
  });
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
  plan.names = shard_names(options.split, plan.ends.size());
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
    manifest = begin_manifest(options.output, options.split, source_options.class_names);
    take_over(options.output, options.split, *staging);
  });
  std::unique_ptr<Source> source;
  std::optional<Journal> journal;  // the first rank's
  group.together([&] {
    if (!root) {
      manifest = begin_manifest(options.output, options.split, source_options.class_names);
    }
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
    if (root) stage_shards(plan.names, *staging);
  });
  manifest.class_names = source->class_names();
  ManifestSplit split = split_of(plan, write_dealt(plan.names, group, [&](std::uint64_t number) {
                                   return write_shard(plan, number);
                                 }));
  PackReport report = report_of(*source, found);
  for (const ManifestShard& shard : split.shards) report.bytes += shard.bytes;
  report.samples = plan.order.size();
  report.classes = static_cast<int>(manifest.class_names.size());
  report.shards = static_cast<int>(plan.ends.size());
  group.together([&] {
    if (root) commit_split(options.output, std::move(manifest), std::move(split), *staging);
  });
  return report;
}

}  // namespace convoy
