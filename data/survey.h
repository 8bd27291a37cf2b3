// Survey: the first pass of packing over a source, which learns of each sample what the index must
// hold. In rounds of a fixed size, each shared by all ranks, and written to a journal, so that a
// second start after a kill goes on where the first one stopped.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/pack.h"
#include "data/shard.h"
#include "ops/core/check.h"
#include "ops/core/file.h"

namespace convoy {

// Of the sampler, when packing draws from it: no training gets there.
inline constexpr std::uint32_t storage_epoch = 0xFFFFFFFF;

// Of what is stored. In the journal as it lies in memory.
struct Surveyed {
  std::uint64_t bytes = 0;
  std::uint32_t height = 0, width = 0;
  std::uint32_t crc32c = 0;
  std::uint8_t channels = 0;
  Encoding encoding = Encoding::raw;
  Conversion conversion = Conversion::none;
  bool usable = false;
};
static_assert(sizeof(Surveyed) == 24, "no bytes without a meaning");

// Exact, so that the order of adding does not matter.
struct PixelSums {
  std::uint64_t pixels = 0;
  std::array<std::uint64_t, 3> sum{}, squares{};

  void add(std::span<const std::uint8_t> image, int channels);
  void add(const PixelSums& other);
  PixelStatistics statistics() const;
};

enum class EventKind : std::uint8_t { left_out, rewritten, kept, recoloured, misnamed };

struct SurveyEvent {
  std::uint64_t sample;
  EventKind kind;
  std::string text;
  auto operator<=>(const SurveyEvent&) const = default;
};

// What is known of the samples [first, first + samples.size()).
struct SurveyRound {
  std::uint64_t first = 0;
  std::vector<Surveyed> samples;
  PixelSums pixels;
  std::vector<SurveyEvent> events;  // sorted
  // The lowest sample that cannot be used where that is an error.
  struct Failure {
    std::uint64_t sample;
    ExitCode code;
    std::string text;
  };
  std::optional<Failure> failure;

  std::string bytes() const;
  // Error(data) for anything else than bytes() returns.
  static SurveyRound from_bytes(std::string_view bytes, std::string_view place);
};

struct Survey {
  std::vector<Surveyed> samples;  // of the whole source
  std::vector<SurveyEvent> events;
  PixelSums pixels;
};

// File of the rounds that are done, for one source and one set of options.
//   "convoy-journal/1\n", `subject` (64 digits) and "\n"; per round the uint64 length of its bytes,
//   their CRC-32C as uint32, and they
class Journal {
 public:
  // Goes on with the file at `path` if it is of this subject, as far as it is whole; otherwise
  // begins anew. Error(storage).
  Journal(std::filesystem::path path, const std::string& subject);

  // Those that were found, in order.
  const std::vector<std::string>& rounds() const { return rounds_; }
  // Durable when it returns. Error(storage).
  void append(std::string_view round);

 private:
  std::filesystem::path path_;
  FileDescriptor file_;
  std::uint64_t end_ = 0;
  std::vector<std::string> rounds_;
};

// Digest of a source's samples by name and label: what all ranks must see alike.
std::string listing_of(const Source& source);
// Digest of all that a survey depends on.
std::string subject_of(const Source& source, const PackOptions& options);

// Error(data) for the first sample that cannot be used, on every rank, unless those are to be left
// out. `journal`: null on all ranks but the first. Collective.
Survey survey(const Source& source, const PackOptions& options, const PackGroup& group,
              Journal* journal);

}  // namespace convoy
