// Log lines for people: "12:03:44 rank 1: text" on standard error, and in the run folder's log.txt
// once one is open. Levels: info is said by rank 0 alone, warnings by every rank.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <utility>

namespace convoy {

enum class LogLevel { info, warning, error };

// Who speaks in this thread: threads of their own have to be told.
struct LogSpeaker {
  int rank = 0;
  int ranks = 1;
};
LogSpeaker log_speaker();
void set_log_rank(int rank, int ranks);
// Also append every line to this file from now on. An empty path closes it.
void set_log_file(const std::filesystem::path& path);
void set_quiet(bool quiet);  // info lines go to the file alone

void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::warning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace convoy
