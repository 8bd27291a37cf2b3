#include "ops/core/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <memory>
#include <mutex>

namespace convoy {
namespace {

thread_local LogSpeaker speaker;

struct Sinks {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> terminal =
      make("terminal", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  std::shared_ptr<spdlog::logger> file;
  bool quiet = false;

  static std::shared_ptr<spdlog::logger> make(const char* name, spdlog::sink_ptr sink) {
    auto logger = std::make_shared<spdlog::logger>(name, std::move(sink));
    logger->set_pattern("%H:%M:%S %^%v%$");
    return logger;
  }
};

Sinks& sinks() {
  static Sinks instance;
  return instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

LogSpeaker log_speaker() {
  return speaker;
}

void set_log_rank(int rank, int ranks) {
  speaker = {rank, ranks};
}

void set_log_file(const std::filesystem::path& path) {
  Sinks& all = sinks();
  const std::lock_guard lock(all.mutex);
  all.file.reset();
  if (!path.empty()) {
    all.file =
        Sinks::make("file", std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string()));
    all.file->flush_on(spdlog::level::info);
  }
}

void set_quiet(bool quiet) {
  sinks().quiet = quiet;
}

void log_line(LogLevel level, std::string_view text) {
  if (level == LogLevel::info && speaker.rank != 0) return;
  Sinks& all = sinks();
  const std::lock_guard lock(all.mutex);
  const std::string line = speaker.ranks > 1 && level != LogLevel::info
                               ? fmt::format("rank {}: {}", speaker.rank, text)
                               : std::string(text);
  if (!all.quiet || level != LogLevel::info) all.terminal->log(to_spdlog(level), line);
  if (all.file) all.file->log(to_spdlog(level), line);
}

}  // namespace convoy
