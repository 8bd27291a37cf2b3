// Errors: the one error path of convoy. Code throws where it finds that it cannot go on; the
// message names the place, what was found and what was expected; main() catches once and turns the
// code into the exit status.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace convoy {

// Process exit codes (sysexits(3) where one fits). Never change a number: batch scripts test for
// them.
enum class ExitCode : int {
  done = 0,
  usage = 64,     // the command line
  data = 65,      // images, shards, weights or checkpoints that cannot be used
  internal = 70,  // training diverged, or convoy is wrong
  storage = 74,   // something could not be written
  stopped = 75,   // stopped on request with a checkpoint written: requeue
  ranks = 76,     // ranks disagree, or one is lost or stalled
  config = 78,    // the configuration
};

// Text with a question mark for every control character, line ends included: names and values come
// from files that may hold anything.
inline std::string on_one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '?');
  return text;
}

// `place` is what a user can find: a file, "file:line", a layer, a rank, a setting. Empty where the
// caller knows it and adds it.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, std::string_view place, std::string_view message)
      : std::runtime_error(on_one_line(place.empty() ? std::string(message)
                                                     : fmt::format("{}: {}", place, message))),
        code_(code) {}
  ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

template <class... Args>
[[noreturn]] void fail(ExitCode code, std::string_view place, fmt::format_string<Args...> format,
                       Args&&... args) {
  throw Error(code, place, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void require(bool condition, ExitCode code, std::string_view place,
             fmt::format_string<Args...> format, Args&&... args) {
  if (!condition) [[unlikely]] {
    fail(code, place, format, std::forward<Args>(args)...);
  }
}

}  // namespace convoy
