#include "trainer/tracing.h"

#include <fmt/format.h>

#include "ops/core/file.h"
#include "ops/core/log.h"
#include "trainer/together.h"

namespace convoy {
namespace {

constexpr std::size_t most_spans = 200'000;  // of a thread: 11 MiB

}  // namespace

void Tracing::before(std::uint64_t step) {
  const auto first = static_cast<std::uint64_t>(parts_.config.first_step);
  const auto steps = static_cast<std::uint64_t>(parts_.config.steps);
  if (!tracks_.empty() && step >= first + steps) end();
  if (tracks_.empty() && step >= first && step < first + steps) begin();
}

void Tracing::finish() {
  if (!tracks_.empty()) end();
}

void Tracing::begin() {
  const int loaders = parts_.loader.memory().threads;
  for (int worker = 0; worker < parts_.workers; ++worker) {
    tracks_.emplace_back(fmt::format("worker {}", worker), most_spans);
  }
  for (int loader = 0; loader < loaders; ++loader) {
    tracks_.emplace_back(fmt::format("loader {}", loader), most_spans);
  }
  tracks_.emplace_back("communication", most_spans);
  parts_.communicator.barrier();  // so that the ranks' times begin alike
  start_ = Track::Clock::now();
  parts_.lanes.trace(std::span(tracks_).first(parts_.workers));
  parts_.loader.trace(std::span(tracks_).subspan(parts_.workers, loaders));
  parts_.reducer.trace(&tracks_.back());
}

void Tracing::end() {
  parts_.lanes.trace({});
  parts_.loader.trace({});
  parts_.reducer.trace(nullptr);
  std::size_t lost = 0;
  for (const Track& track : tracks_) lost += track.lost();
  const std::vector<std::string> events = parts_.communicator.all_gather_text(
      trace_events(parts_.communicator.rank(), parts_.communicator.host(), tracks_, start_));
  tracks_.clear();
  by_root(parts_.communicator, [&] {
    const std::filesystem::path path = parts_.folder / "trace.json";
    write_file_atomically(path, trace_file(events));
    log_info("{}: the steps from {} on{}", path.string(), parts_.config.first_step,
             lost > 0 ? fmt::format(", but for {} spans too many", lost) : "");
  });
}

}  // namespace convoy
