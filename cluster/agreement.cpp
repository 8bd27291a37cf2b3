#include "cluster/agreement.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "ops/core/check.h"
#include "ops/core/checksum.h"

namespace convoy {
namespace {

// Of all claims; names and lengths are part of it, so that no text can pass for another.
std::string digest(const std::vector<Claim>& claims) {
  Sha256 hash;
  for (const Claim& claim : claims) {
    hash.update(fmt::format("{}\n{}\n", claim.name, claim.text.size())).update(claim.text);
  }
  return hash.hex();
}

// Takes the first line off `text`; nothing when there is none left.
std::optional<std::string_view> next_line(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const std::size_t length = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, length);
  text.remove_prefix(std::min(length + 1, text.size()));
  return line;
}

std::string quoted(std::optional<std::string_view> line) {
  constexpr std::size_t most = 160;
  if (!line) return "nothing";
  return line->size() <= most ? fmt::format("'{}'", *line)
                              : fmt::format("'{}...'", line->substr(0, most));
}

// "line 3: found 'a', expected 'b'": the first line where the texts differ.
std::string difference(std::string_view found, std::string_view expected) {
  for (int number = 1;; ++number) {
    const auto ours = next_line(found);
    const auto theirs = next_line(expected);
    if (ours != theirs) {
      return fmt::format("line {}: found {}, expected {}", number, quoted(ours), quoted(theirs));
    }
    if (!ours) return "texts that differ in line ends alone";
  }
}

// What this rank holds otherwise than rank 0; empty if nothing.
std::string compare(Communicator& communicator, const std::vector<Claim>& claims) {
  const std::string count = communicator.broadcast_text(std::to_string(claims.size()), 0);
  const std::size_t shared = std::stoul(count);
  std::string found;
  for (std::size_t i = 0; i < shared; ++i) {
    const Claim mine = i < claims.size() ? claims[i] : Claim();
    const std::string name = communicator.broadcast_text(mine.name, 0);
    const std::string text = communicator.broadcast_text(mine.text, 0);
    if (!found.empty()) continue;
    if (mine.name != name) {
      found = fmt::format("claim {}: found '{}', expected '{}'", i + 1, mine.name, name);
    } else if (mine.text != text) {
      found = fmt::format("{}, {}", name, difference(mine.text, text));
    }
  }
  if (found.empty() && claims.size() != shared) {
    found = fmt::format("found {} claims, expected {}", claims.size(), shared);
  }
  return found;
}

}  // namespace

void check_agreement(Communicator& communicator, const std::vector<Claim>& claims) {
  const std::string mine = digest(claims);
  const auto ranks = static_cast<std::size_t>(communicator.size());
  std::string all(mine.size() * ranks, '\0');
  communicator.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
  // Unless all are equal, every rank sees one that differs from its own.
  bool equal = true;
  for (std::size_t r = 0; r < ranks; ++r) {
    equal = equal && all.compare(r * mine.size(), mine.size(), mine) == 0;
  }
  if (equal) return;
  const auto differences = communicator.all_gather_text(compare(communicator, claims));
  const auto hosts = communicator.all_gather_text(communicator.host());
  const auto first = std::find_if(differences.begin(), differences.end(),
                                  [](const std::string& text) { return !text.empty(); });
  constexpr std::size_t most = 8;  // ranks that the message names
  std::string who;
  std::size_t alike = 0;
  std::size_t others = 0;
  for (std::size_t r = 0; r < ranks; ++r) {
    if (differences[r].empty()) continue;
    if (differences[r] != *first) {
      ++others;
    } else if (++alike <= most) {
      who += fmt::format("{}rank {} on {}", alike == 1 ? "" : ", ", r, hosts[r]);
    }
  }
  if (alike > most) who += fmt::format(" and {} more", alike - most);
  fail(ExitCode::ranks, who, "differs from rank 0 on {} in {}{}", hosts[0], *first,
       others == 0 ? "" : fmt::format(" ({} other ranks differ otherwise)", others));
}

}  // namespace convoy
