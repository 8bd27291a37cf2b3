#include "cluster/roster.h"

#include <unistd.h>

#include <cstring>
#include <utility>

#include "ops/core/check.h"

namespace convoy {
namespace {

std::int64_t now_ns() noexcept {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

void ActivityCell::publish(const char* activity, long step) noexcept {
  std::array<char, text_bytes> text{};
  std::strncpy(text.data(), activity, text_bytes - 1);
  for (std::size_t i = 0; i < text_.size(); ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i * sizeof word, sizeof word);
    text_[i].store(word, std::memory_order_relaxed);
  }
  step_.store(step, std::memory_order_relaxed);
  since_.store(now_ns(), std::memory_order_relaxed);
}

std::string ActivityCell::text() const {
  std::array<char, text_bytes + 1> text{};
  for (std::size_t i = 0; i < text_.size(); ++i) {
    const std::uint64_t word = text_[i].load(std::memory_order_relaxed);
    std::memcpy(text.data() + i * sizeof word, &word, sizeof word);
  }
  if (text[0] == '\0') return {};
  return fmt::format("'{}' of step {}", text.data(), step_.load(std::memory_order_relaxed));
}

double ActivityCell::seconds() const {
  return static_cast<double>(now_ns() - since_.load(std::memory_order_relaxed)) * 1e-9;
}

std::string Roster::name(int rank) const {
  return fmt::format("rank {} on {}", rank, host(rank));
}

std::string Roster::describe(int rank) const {
  const ActivityCell* known = cell(rank);
  if (known == nullptr) return name(rank);
  std::string text = known->text();
  if (!text.empty()) text += fmt::format(" for {:.1f} s", known->seconds());
  if (known->waiting()) text += text.empty() ? "waiting itself" : ", waiting itself";
  return text.empty() ? name(rank) : fmt::format("{} ({})", name(rank), text);
}

void Roster::fail_waiting(int self, std::span<const int> missing,
                          std::chrono::nanoseconds waited) const {
  constexpr std::size_t most = 8;  // ranks that one line names
  std::string names;
  bool blameless = true;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    if (i < most) names += (i > 0 ? ", " : "") + describe(missing[i]);
    const ActivityCell* known = cell(missing[i]);
    blameless = blameless && (known == nullptr || known->waiting());
  }
  if (missing.size() > most) names += fmt::format(" and {} more", missing.size() - most);
  const char* lead = "; not waiting: ";
  for (int rank = 0; blameless && rank < static_cast<int>(members_.size()); ++rank) {
    const ActivityCell* known = cell(rank);
    if (rank == self || known == nullptr || known->waiting()) continue;
    names += std::exchange(lead, ", ") + describe(rank);
  }
  // Once it has given up it still is not what the others look for.
  if (cell(self) != nullptr) cell(self)->begin_wait();
  const std::string doing = cell(self) == nullptr ? std::string() : cell(self)->text();
  fail(ExitCode::ranks, name(self), "waited {:.1f} s{}{} for {}",
       std::chrono::duration<double>(waited).count(), doing.empty() ? "" : " in ", doing, names);
}

std::string this_host() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace convoy
