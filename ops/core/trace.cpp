#include "ops/core/trace.h"

#include <fmt/format.h>

namespace convoy {
namespace {

// Names are of layers and hosts: nothing beyond printable characters is expected.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result + "\"";
}

std::string metadata(std::string_view what, int rank, std::size_t thread, std::string_view name) {
  return fmt::format(R"({{"name":"{}","ph":"M","pid":{},"tid":{},"args":{{"name":{}}}}})", what,
                     rank, thread, quoted(name));
}

double microseconds(Track::Clock::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

}  // namespace

std::string trace_events(int rank, std::string_view host, const std::vector<Track>& tracks,
                         Track::Clock::time_point start) {
  std::string text = metadata("process_name", rank, 0, fmt::format("rank {} on {}", rank, host));
  for (std::size_t thread = 0; thread < tracks.size(); ++thread) {
    text += ",\n" + metadata("thread_name", rank, thread, tracks[thread].thread());
    for (const Track::Span& span : tracks[thread].spans()) {
      text += fmt::format(
          ",\n{{\"name\":{},\"cat\":{},\"ph\":\"X\",\"ts\":{:.3f},\"dur\":{:.3f},\"pid\":{},"
          "\"tid\":{}}}",
          quoted(span.name), quoted(span.kind), microseconds(span.begin - start),
          microseconds(span.end - span.begin), rank, thread);
    }
  }
  return text;
}

std::string trace_file(const std::vector<std::string>& events) {
  std::string text = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n";
  for (std::size_t i = 0; i < events.size(); ++i) text += (i > 0 ? ",\n" : "") + events[i];
  return text + "\n]}\n";
}

}  // namespace convoy
