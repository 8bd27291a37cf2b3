#include "trainer/nearest.h"

#include <algorithm>
#include <vector>

namespace convoy {

int edit_distance(std::string_view a, std::string_view b) {
  // Rows of the table for the prefixes of `a` of length i - 2, i - 1 and i.
  std::vector<int> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = static_cast<int>(i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::string listed(std::span<const std::string> words) {
  std::string list;
  for (const std::string& word : words) list += (list.empty() ? "" : ", ") + word;
  return list;
}

std::string nearest_of(std::string_view word, std::span<const std::string> valid) {
  const auto best = std::ranges::min_element(
      valid, {}, [&](const std::string& candidate) { return edit_distance(word, candidate); });
  const bool close =
      best != valid.end() &&
      edit_distance(word, *best) <= std::max<int>(2, static_cast<int>(best->size()) / 3);
  if (close) return "nearest is " + *best;
  return (valid.size() > 1 ? "expected one of " : "expected ") + listed(valid);
}

}  // namespace convoy
