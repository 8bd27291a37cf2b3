// Packing goes over the source twice: to learn of each sample what the index must hold, and, once
// every shard's exact size is known, to copy the images into their places. Nothing in the result
// depends on which thread did what.
#include "data/pack.h"

#include <algorithm>
#include <cmath>

#include "data/image.h"
#include "data/manifest.h"
#include "data/parallel.h"
#include "data/sampler.h"
#include "data/shard_writer.h"
#include "data/sources.h"
#include "data/staging.h"
#include "ops/core/check.h"
#include "ops/core/checksum.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t statistics_samples = 10'000;
constexpr std::uint64_t slab_bytes = 4 << 20;        // images are written in runs of about this
constexpr std::uint32_t storage_epoch = 0xFFFFFFFF;  // of the sampler: no training gets there

// What the first pass learns of a sample.
struct Surveyed {
  std::uint64_t bytes = 0;
  std::uint32_t height = 0, width = 0;
  std::uint32_t crc32c = 0;
  std::uint8_t channels = 0;
  Encoding encoding = Encoding::raw;
  bool usable = false;
};

// Exact, so that the order of adding does not matter.
struct PixelSums {
  std::uint64_t pixels = 0;
  std::array<std::uint64_t, 3> sum{}, squares{};

  void add(std::span<const std::uint8_t> image, int channels) {
    pixels += image.size() / static_cast<std::size_t>(channels);
    for (int c = 0; c < channels; ++c) {
      std::uint64_t channel_sum = 0, channel_squares = 0;
      for (std::size_t i = static_cast<std::size_t>(c); i < image.size();
           i += static_cast<std::size_t>(channels)) {
        channel_sum += image[i];
        channel_squares += std::uint64_t{image[i]} * image[i];
      }
      for (int copy = c; copy < (channels == 1 ? 3 : c + 1); ++copy) {
        sum[static_cast<std::size_t>(copy)] += channel_sum;
        squares[static_cast<std::size_t>(copy)] += channel_squares;
      }
    }
  }
  void add(const PixelSums& other) {
    pixels += other.pixels;
    for (std::size_t c = 0; c < 3; ++c) {
      sum[c] += other.sum[c];
      squares[c] += other.squares[c];
    }
  }
  PixelStatistics statistics() const {
    PixelStatistics result;
    const double count = static_cast<double>(std::max<std::uint64_t>(pixels, 1));
    for (std::size_t c = 0; c < 3; ++c) {
      const double mean = static_cast<double>(sum[c]) / count;
      const double variance = static_cast<double>(squares[c]) / count - mean * mean;
      result.mean[c] = mean / 255;
      result.std[c] = std::sqrt(std::max(variance, 0.0)) / 255;
    }
    return result;
  }
};

struct Survey {
  std::vector<Surveyed> samples;  // of the whole source
  std::vector<std::string> events;
  PixelStatistics pixels;
};

// A file whose name says something else than its content, as in "n02105855_2933.JPEG", a PNG.
bool misnamed(const std::string& name, ImageType type) {
  std::string extension = fs::path(name).extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool says_jpeg = extension == ".jpg" || extension == ".jpeg" || extension == ".jpe";
  const bool says_png = extension == ".png";
  return type == ImageType::png ? says_jpeg : says_png;
}

class Surveyor {
 public:
  Surveyor(const Source& source, const PackOptions& options)
      : source_(source),
        options_(options),
        draw_(source.size(), 0, Order::full),
        scratch_(static_cast<std::size_t>(options.threads)) {
    survey_.samples.resize(source.size());
  }

  Survey run() {
    parallel_for(options_.threads, source_.size(), [&](int thread, std::uint64_t i) {
      Scratch& scratch = scratch_[static_cast<std::size_t>(thread)];
      try {
        survey_.samples[i] = look_at(i, scratch);
      } catch (const Error& error) {
        if (error.code() != ExitCode::data || options_.bad == BadPolicy::fail) throw;
        scratch.events.emplace_back(i, fmt::format("{} (left out)", error.what()));
      }
    });
    PixelSums sums;
    std::vector<std::pair<std::uint64_t, std::string>> events;
    for (Scratch& scratch : scratch_) {
      sums.add(scratch.sums);
      events.insert(events.end(), scratch.events.begin(), scratch.events.end());
    }
    survey_.pixels = sums.statistics();
    std::sort(events.begin(), events.end());
    for (auto& [i, event] : events) survey_.events.push_back(std::move(event));
    return std::move(survey_);
  }

 private:
  struct Scratch {
    std::vector<std::byte> buffer;
    ImageDecoder decoder;
    Image image;
    PixelSums sums;
    std::vector<std::pair<std::uint64_t, std::string>> events;  // with the sample's number
  };

  Surveyed look_at(std::uint64_t i, Scratch& scratch) {
    const std::span<const std::byte> bytes = source_.read(i, scratch.buffer);
    Surveyed sample{.bytes = bytes.size(), .crc32c = crc32c(bytes), .usable = true};
    const bool counted = draw_.index(storage_epoch, i) < statistics_samples;
    if (const auto& raw = source_.raw()) {
      set_size(sample, raw->height, raw->width, raw->channels);
      if (counted) {
        scratch.sums.add({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                         raw->channels);
      }
      return sample;
    }
    scratch.decoder.decode(bytes, source_.place(i), scratch.image);
    const Image& image = scratch.image;
    set_size(sample, image.height, image.width, image.channels);
    const ImageType type = sniff(bytes);
    sample.encoding = type == ImageType::png ? Encoding::png : Encoding::jpeg;
    if (misnamed(source_.name(i), type)) {
      scratch.events.emplace_back(
          i, fmt::format("{}: is a {}, whatever its name says", source_.place(i), name_of(type)));
    }
    if (counted) scratch.sums.add(image.pixels, image.channels);
    return sample;
  }

  static void set_size(Surveyed& sample, int height, int width, int channels) {
    sample.height = static_cast<std::uint32_t>(height);
    sample.width = static_cast<std::uint32_t>(width);
    sample.channels = static_cast<std::uint8_t>(channels);
  }

  const Source& source_;
  const PackOptions& options_;
  // Says which samples are in the statistics. Not every k-th: data sets come in patterns (MNIST
  // takes its two kinds of writers in turn).
  Sampler draw_;
  std::vector<Scratch> scratch_;
  Survey survey_;
};

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

// The second pass over one shard's samples.
void copy_images(std::span<const std::uint64_t> samples, const Source& source, const Survey& survey,
                 const ShardIndex& index, const ShardWriter& shard, int threads) {
  struct Scratch {
    std::vector<std::byte> image, slab;
  };
  const std::vector<std::uint64_t> ends = cut(samples, survey, slab_bytes);
  std::vector<Scratch> scratch(static_cast<std::size_t>(threads));
  parallel_for(threads, ends.size(), [&](int thread, std::uint64_t run) {
    auto& [image, slab] = scratch[static_cast<std::size_t>(thread)];
    const std::uint64_t first = run == 0 ? 0 : ends[run - 1];
    slab.clear();
    for (std::uint64_t at = first; at < ends[run]; ++at) {
      const std::span<const std::byte> bytes = source.read(samples[at], image);
      require(bytes.size() == index.bytes(at) && crc32c(bytes) == index.crc32c[at], ExitCode::data,
              source.place(samples[at]), "changed while it was being packed");
      slab.insert(slab.end(), bytes.begin(), bytes.end());
    }
    shard.write(slab, index.offsets[first]);
  });
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
  return fmt::format(R"({{"seed": {}, "mix": {}, "shard_bytes": {}, "bad": "{}"}})", options.seed,
                     options.mix, options.shard_bytes,
                     options.bad == BadPolicy::fail ? "fail" : "skip");
}

}  // namespace

PackReport pack(SourceOptions source_options, const PackOptions& options) {
  check_options(options);
  Staging staging(options.output);
  Manifest manifest = begin_manifest(options, source_options.class_names);
  source_options.class_names = manifest.class_names;
  source_options.scratch = options.output;
  const auto source = open_source(source_options);
  manifest.class_names = source->class_names();
  const Survey survey = Surveyor(*source, options).run();
  const std::vector<std::uint64_t> order = storage_order(survey, options);
  require(!order.empty(), ExitCode::data, source_options.path.string(),
          "has no usable image among {} files", source->size());
  const std::vector<std::uint64_t> ends = cut_shards(order, survey, options.shard_bytes);

  ManifestSplit split{.name = options.split, .pixels = survey.pixels};
  split.label_histogram.resize(manifest.class_names.size());
  PackReport report{.events = source->events()};
  for (std::uint64_t number = 0, first = 0; number < ends.size(); first = ends[number++]) {
    const auto samples = std::span(order).subspan(first, ends[number] - first);
    const ShardIndex index = index_of(samples, *source, survey, first);
    const ShardHeader header{.split = options.split,
                             .shard_index = number,
                             .shard_count = ends.size(),
                             .first_sample_id = first,
                             .pack_options = options_text(options),
                             .pixels = survey.pixels,
                             .class_names = manifest.class_names};
    const std::string name =
        fmt::format("{}-{:05}-of-{:05}.h5", options.split, number, ends.size());
    const fs::path path = staging.add(name);
    ShardWriter shard(path, header, index);
    copy_images(samples, *source, survey, index, shard, options.threads);
    const std::uint64_t bytes = shard.finish();
    split.shards.push_back({.file = name,
                            .bytes = bytes,
                            .samples = index.samples(),
                            .sha256 = sha256_of_file(path),
                            .index_crc32c = checksum_of(index, header.class_names)});
    for (const std::int32_t label : index.labels) {
      if (label >= 0) ++split.label_histogram[static_cast<std::size_t>(label)];
    }
    report.bytes += bytes;
  }
  report.samples = order.size();
  report.classes = static_cast<int>(manifest.class_names.size());
  report.shards = static_cast<int>(ends.size());
  report.events.insert(report.events.end(), survey.events.begin(), survey.events.end());

  manifest.splits.push_back(std::move(split));
  std::sort(manifest.splits.begin(), manifest.splits.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  write_manifest(staging.add(manifest_path("").string()), manifest);
  staging.commit();
  return report;
}

}  // namespace convoy
