// Nearest: the valid word that a mistyped one most likely meant.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace convoy {

// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other
// (optimal string alignment).
int edit_distance(std::string_view a, std::string_view b);

// "lr, momentum".
std::string listed(std::span<const std::string> words);

// "nearest is momentum", or, where none comes close, "expected one of lr, momentum".
std::string nearest_of(std::string_view word, std::span<const std::string> valid);

}  // namespace convoy
