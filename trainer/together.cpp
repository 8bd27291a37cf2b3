#include "trainer/together.h"

#include <algorithm>
#include <charconv>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {
namespace {

// A failure as text: "78 place: message"; empty is success.
std::string outcome_of(const std::function<void()>& work) {
  try {
    work();
    return "";
  } catch (const Error& error) {
    return fmt::format("{} {}", static_cast<int>(error.code()), error.what());
  } catch (const std::exception& error) {
    return fmt::format("{} unexpected: {}", static_cast<int>(ExitCode::internal), error.what());
  }
}

// `who` comes before the message where it is not empty.
[[noreturn]] void throw_shared(std::string_view outcome, std::string_view who) {
  int code = static_cast<int>(ExitCode::internal);
  std::from_chars(outcome.data(), outcome.data() + outcome.size(), code);
  const std::string_view text = outcome.substr(outcome.find(' ') + 1);
  if (!who.empty()) throw SharedError(static_cast<ExitCode>(code), who, text);
  const std::size_t colon = text.find(": ");
  throw SharedError(static_cast<ExitCode>(code), text.substr(0, colon), text.substr(colon + 2));
}

}  // namespace

void together(Communicator& communicator, const std::function<void()>& work) {
  const std::string mine = outcome_of(work);
  const std::vector<std::string> all = communicator.all_gather_text(mine);
  const auto failed =
      std::ranges::find_if(all, [](const std::string& outcome) { return !outcome.empty(); });
  if (failed == all.end()) return;
  if (std::ranges::count(all, *failed) == static_cast<std::ptrdiff_t>(all.size())) {
    throw_shared(*failed, "");
  }
  const auto rank = static_cast<int>(failed - all.begin());
  const std::string host =
      communicator.broadcast_text(communicator.rank() == rank ? communicator.host() : "", rank);
  throw_shared(*failed, fmt::format("rank {} on {}", rank, host));
}

void by_root(Communicator& communicator, const std::function<void()>& work) {
  const std::string mine = communicator.rank() == 0 ? outcome_of(work) : "";
  const std::string outcome = communicator.broadcast_text(mine, 0);
  if (!outcome.empty()) throw_shared(outcome, "");
}

}  // namespace convoy
