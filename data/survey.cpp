#include "data/survey.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <compare>
#include <cstring>

#include "data/parallel.h"
#include "data/sampler.h"
#include "ops/core/checksum.h"
#include "ops/core/log.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t statistics_samples = 10'000;
constexpr std::uint64_t round_samples = 1 << 15;
constexpr std::uint64_t run_samples = 16;  // neighbours go to one rank

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
      : source_(source), options_(options), draw_(source.size(), 0, Order::full) {
    for (int i = 0; i < options.threads; ++i) scratch_.emplace_back(options.reencode);
  }

  // This rank's share of a round; the others' samples stay empty.
  SurveyRound look(std::uint64_t first, std::uint64_t count, const PackGroup& group) {
    SurveyRound round{.first = first};
    round.samples.resize(count);
    const auto ranks = static_cast<std::uint64_t>(group.size);
    const std::uint64_t runs = (count + run_samples - 1) / run_samples;
    const auto rank = static_cast<std::uint64_t>(group.rank);
    const std::uint64_t own_runs = runs / ranks + (rank < runs % ranks ? 1 : 0);
    try {
      parallel_for(options_.threads, own_runs * run_samples, [&](int thread, std::uint64_t item) {
        const std::uint64_t run = item / run_samples * ranks + rank;
        const std::uint64_t at = run * run_samples + item % run_samples;
        if (at >= count) return;
        round.samples[at] = look_at(first + at, scratch_[static_cast<std::size_t>(thread)]);
      });
    } catch (const Error&) {
      if (!any_failure()) throw;
    }
    gather(round);
    return round;
  }

 private:
  struct Scratch {
    explicit Scratch(const Reencode& reencode) : converter(reencode) {}
    std::vector<std::byte> buffer;
    Converter converter;
    PixelSums pixels;
    std::vector<SurveyEvent> events;
    std::optional<SurveyRound::Failure> failure;
  };

  Surveyed look_at(std::uint64_t i, Scratch& scratch) {
    try {
      return try_to_look_at(i, scratch);
    } catch (const Error& error) {
      if (error.code() == ExitCode::data && options_.bad == BadPolicy::skip) {
        add_event(i, EventKind::left_out, fmt::format("{} (left out)", error.what()), scratch);
        return {};
      }
      scratch.failure = {i, error.code(), error.what()};
      throw;
    }
  }

  Surveyed try_to_look_at(std::uint64_t i, Scratch& scratch) {
    const std::span<const std::byte> bytes = source_.read(i, scratch.buffer);
    const bool counted = draw_.index(storage_epoch, i) < statistics_samples;
    if (const auto& raw = source_.raw()) {
      const auto* pixels = reinterpret_cast<const std::uint8_t*>(bytes.data());
      if (counted) scratch.pixels.add({pixels, bytes.size()}, raw->channels);
      return surveyed({.bytes = bytes,
                       .encoding = Encoding::raw,
                       .height = raw->height,
                       .width = raw->width,
                       .channels = raw->channels});
    }
    const Stored stored = scratch.converter.convert(bytes, source_.place(i));
    if (counted) scratch.pixels.add(scratch.converter.image().pixels, stored.channels);
    note_events(i, sniff(bytes), stored.conversion, scratch);
    return surveyed(stored);
  }

  static Surveyed surveyed(const Stored& stored) {
    return {.bytes = stored.bytes.size(),
            .height = static_cast<std::uint32_t>(stored.height),
            .width = static_cast<std::uint32_t>(stored.width),
            .crc32c = crc32c(stored.bytes),
            .channels = static_cast<std::uint8_t>(stored.channels),
            .encoding = stored.encoding,
            .conversion = stored.conversion,
            .usable = true};
  }

  void note_events(std::uint64_t i, ImageType type, Conversion conversion, Scratch& scratch) {
    const auto add = [&](EventKind kind, std::string_view what) {
      add_event(i, kind, fmt::format("{}: {}", source_.place(i), what), scratch);
    };
    if (misnamed(source_.name(i), type)) {
      add(EventKind::misnamed, fmt::format("is a {}, whatever its name says", name_of(type)));
    }
    if (conversion == Conversion::baseline) {
      add(EventKind::rewritten, "a progressive JPEG: stored as baseline, with the same pixels");
    } else if (conversion == Conversion::kept) {
      add(EventKind::kept, "a progressive JPEG: stored as it is, baseline would change its pixels");
    } else if (conversion == Conversion::rgb) {
      add(EventKind::recoloured, "a CMYK JPEG: stored as PNG of its RGB pixels");
    }
  }

  static void add_event(std::uint64_t i, EventKind kind, std::string text, Scratch& scratch) {
    scratch.events.push_back({.sample = i, .kind = kind, .text = std::move(text)});
  }

  bool any_failure() const {
    return std::ranges::any_of(scratch_,
                               [](const Scratch& own) { return own.failure.has_value(); });
  }

  // What the threads found in this round.
  void gather(SurveyRound& round) {
    for (Scratch& own : scratch_) {
      round.pixels.add(own.pixels);
      own.pixels = {};
      round.events.insert(round.events.end(), own.events.begin(), own.events.end());
      own.events.clear();
      const bool lower =
          own.failure && (!round.failure || own.failure->sample < round.failure->sample);
      if (lower) round.failure = own.failure;
      own.failure.reset();
    }
    std::sort(round.events.begin(), round.events.end());
  }

  const Source& source_;
  const PackOptions& options_;
  // Says which samples are in the statistics. Not every k-th: data sets come in patterns (MNIST
  // takes its two kinds of writers in turn).
  Sampler draw_;
  std::vector<Scratch> scratch_;
};

// The ranks' shares of a round.
SurveyRound merge(std::vector<SurveyRound> shares) {
  SurveyRound round = std::move(shares[0]);
  for (std::size_t i = 1; i < shares.size(); ++i) {
    SurveyRound& share = shares[i];
    for (std::size_t at = 0; at < round.samples.size(); ++at) {
      if (share.samples[at].usable) round.samples[at] = share.samples[at];
    }
    round.pixels.add(share.pixels);
    round.events.insert(round.events.end(), share.events.begin(), share.events.end());
    const bool lower =
        share.failure && (!round.failure || share.failure->sample < round.failure->sample);
    if (lower) round.failure = std::move(share.failure);
  }
  std::sort(round.events.begin(), round.events.end());
  return round;
}

// Numbers and texts, one after the other.
class ByteWriter {
 public:
  template <class T>
  void put(const T& value) {
    put_all(std::span(&value, 1));
  }
  template <class T>
  void put_all(std::span<const T> values) {
    const auto bytes = std::as_bytes(values);
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void put_text(std::string_view text) {
    put(std::uint64_t{text.size()});
    text_ += text;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

class ByteReader {
 public:
  ByteReader(std::string_view bytes, std::string_view place) : bytes_(bytes), place_(place) {}

  template <class T>
  T get() {
    T value;
    std::memcpy(&value, get_bytes(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view get_bytes(std::uint64_t count) {
    require(count <= bytes_.size(), ExitCode::data, place_, "damaged: {} bytes, expected {}",
            bytes_.size(), count);
    const std::string_view bytes = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return bytes;
  }
  std::string_view get_text() { return get_bytes(get<std::uint64_t>()); }
  bool at_end() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
  std::string_view place_;
};

}  // namespace

void PixelSums::add(std::span<const std::uint8_t> image, int channels) {
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

void PixelSums::add(const PixelSums& other) {
  pixels += other.pixels;
  for (std::size_t c = 0; c < 3; ++c) {
    sum[c] += other.sum[c];
    squares[c] += other.squares[c];
  }
}

PixelStatistics PixelSums::statistics() const {
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

std::string SurveyRound::bytes() const {
  ByteWriter out;
  out.put(first);
  out.put(std::uint64_t{samples.size()});
  out.put_all(std::span(samples));
  out.put(pixels);
  out.put(std::uint64_t{events.size()});
  for (const SurveyEvent& event : events) {
    out.put(event.sample);
    out.put(event.kind);
    out.put_text(event.text);
  }
  out.put(std::uint8_t{failure.has_value()});
  if (failure) {
    out.put(failure->sample);
    out.put(failure->code);
    out.put_text(failure->text);
  }
  return out.take();
}

SurveyRound SurveyRound::from_bytes(std::string_view bytes, std::string_view place) {
  ByteReader in(bytes, place);
  SurveyRound round{.first = in.get<std::uint64_t>()};
  const auto count = in.get<std::uint64_t>();
  require(count <= round_samples, ExitCode::data, place, "damaged: {} samples", count);
  round.samples.resize(count);
  std::memcpy(round.samples.data(), in.get_bytes(count * sizeof(Surveyed)).data(),
              count * sizeof(Surveyed));
  round.pixels = in.get<PixelSums>();
  for (auto events = in.get<std::uint64_t>(); events > 0; --events) {
    const auto sample = in.get<std::uint64_t>();
    const auto kind = in.get<EventKind>();
    round.events.push_back({sample, kind, std::string(in.get_text())});
  }
  if (in.get<std::uint8_t>() != 0) {
    const auto sample = in.get<std::uint64_t>();
    const auto code = in.get<ExitCode>();
    round.failure = {sample, code, std::string(in.get_text())};
  }
  require(in.at_end(), ExitCode::data, place, "damaged: it goes on after its end");
  return round;
}

std::string listing_of(const Source& source) {
  Sha256 digest;
  for (std::uint64_t i = 0; i < source.size(); ++i) {
    digest.update(source.name(i)).update(fmt::format("\n{}\n", source.label(i)));
  }
  for (const std::string& name : source.class_names()) digest.update(name).update("\n");
  return digest.hex();
}

std::string subject_of(const Source& source, const PackOptions& options) {
  Sha256 digest;
  digest.update(fmt::format("{}\n{}\n{}\n", listing_of(source), policy_text(options.reencode),
                            options.bad == BadPolicy::skip));
  source.stamp(digest);
  return digest.hex();
}

Survey survey(const Source& source, const PackOptions& options, const PackGroup& group,
              Journal* journal) {
  Surveyor surveyor(source, options);
  Survey all;
  const std::uint64_t total = source.size();
  for (std::uint64_t number = 0; all.samples.size() < total; ++number) {
    const std::uint64_t first = all.samples.size();
    const std::uint64_t count = std::min(round_samples, total - first);
    // The first rank knows of rounds that were done before.
    const bool known = journal && number < journal->rounds().size();
    std::string found = group.gather(known ? journal->rounds()[number] : "")[0];
    const bool new_round = found.empty();
    SurveyRound round;
    if (new_round) {
      SurveyRound own;
      group.together([&] { own = surveyor.look(first, count, group); });
      std::vector<SurveyRound> shares;
      for (const std::string& share : group.gather(own.bytes())) {
        shares.push_back(SurveyRound::from_bytes(share, "a rank's survey"));
      }
      round = merge(std::move(shares));
    } else {
      round = SurveyRound::from_bytes(found, "the journal");
    }
    group.together([&] {
      if (round.failure) throw Error(round.failure->code, "", round.failure->text);
      require(round.first == first && round.samples.size() == count, ExitCode::internal,
              "the journal", "holds samples from {} on, expected from {} on", round.first, first);
      if (journal && new_round) journal->append(round.bytes());
    });
    all.samples.insert(all.samples.end(), round.samples.begin(), round.samples.end());
    all.events.insert(all.events.end(), round.events.begin(), round.events.end());
    all.pixels.add(round.pixels);
    if (total > round_samples) log_info("{} of {} images seen", all.samples.size(), total);
  }
  return all;
}

}  // namespace convoy
