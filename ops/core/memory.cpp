#include "ops/core/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

namespace convoy {
namespace {

namespace fs = std::filesystem;

// The number behind `key` in a file of "key value" lines; of the first line where key is empty.
std::optional<std::size_t> number_in(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  std::string word;
  if (!key.empty()) {
    while (in >> word && word != key) in.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  std::size_t number = 0;
  if (in >> number) return number;
  return std::nullopt;  // no such file or line, or "max"
}

// What one control group (version 2) leaves: cached files give way when memory is wanted.
std::optional<std::size_t> left_in_group(const fs::path& group) {
  const auto limit = number_in(group / "memory.max", "");
  const auto used = number_in(group / "memory.current", "");
  if (!limit || !used) return std::nullopt;
  const std::size_t cache = number_in(group / "memory.stat", "inactive_file").value_or(0);
  const std::size_t held = *used - std::min(cache, *used);
  return *limit - std::min(held, *limit);
}

}  // namespace

std::size_t available_memory(const fs::path& root) {
  std::size_t least = std::numeric_limits<std::size_t>::max();
  if (const auto kilobytes = number_in(root / "proc/meminfo", "MemAvailable:")) {
    least = *kilobytes * 1024;
  }
  std::ifstream groups(root / "proc/self/cgroup");
  std::string line;
  while (std::getline(groups, line)) {
    if (!line.starts_with("0::/")) continue;
    const fs::path top = root / "sys/fs/cgroup";
    for (fs::path group = top / line.substr(4);; group = group.parent_path()) {
      if (const auto left = left_in_group(group)) least = std::min(least, *left);
      if (group == top || !group.has_relative_path()) break;
    }
  }
  return least;
}

}  // namespace convoy
