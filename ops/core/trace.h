// Trace: what each thread of a rank did when, for the viewers of the Trace Event Format (Perfetto,
// chrome://tracing).
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace convoy {

// Of one thread, which alone adds to it.
class Track {
 public:
  using Clock = std::chrono::steady_clock;
  struct Span {
    std::string_view name;  // of what outlives the track
    std::string_view kind;  // likewise
    Clock::time_point begin, end;
  };

  // `most`: spans that are kept, so that adding one allocates nothing; later ones are counted.
  Track(std::string thread, std::size_t most) : thread_(std::move(thread)) { spans_.reserve(most); }

  void add(const Span& span) noexcept {
    if (spans_.size() < spans_.capacity()) {
      spans_.push_back(span);
    } else {
      ++lost_;
    }
  }
  const std::string& thread() const { return thread_; }
  const std::vector<Span>& spans() const { return spans_; }
  std::size_t lost() const { return lost_; }

 private:
  std::string thread_;
  std::vector<Span> spans_;
  std::size_t lost_ = 0;
};

// Adds what happens from here to its end to a track; to none, where that is null.
class Traced {
 public:
  Traced(Track* track, std::string_view name, std::string_view kind = "") noexcept
      : track_(track), span_{name, kind, {}, {}} {
    if (track_) span_.begin = Track::Clock::now();
  }
  ~Traced() {
    if (!track_) return;
    span_.end = Track::Clock::now();
    track_->add(span_);
  }
  Traced(const Traced&) = delete;
  Traced& operator=(const Traced&) = delete;

 private:
  Track* track_;
  Track::Span span_;
};

// The events of one rank's tracks, as JSON objects with commas between them; times count from
// `start`.
std::string trace_events(int rank, std::string_view host, const std::vector<Track>& tracks,
                         Track::Clock::time_point start);

// A whole file of the events of some ranks.
std::string trace_file(const std::vector<std::string>& events);

}  // namespace convoy
