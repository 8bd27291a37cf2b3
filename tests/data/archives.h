// Archives for tests: tars, and CIFAR's binary files.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace convoy {

// A header of POSIX's ustar and the bytes behind it, padded.
inline std::string tar_member(std::string_view name, std::string_view content, char type = '0') {
  std::string header(512, '\0');
  const auto put = [&](std::size_t at, std::string_view text) {
    header.replace(at, text.size(), text);
  };
  put(0, name.substr(0, 100));
  put(100, "0000644");
  put(124, fmt::format("{:011o}", content.size()));
  put(136, "00000000000");
  put(148, "        ");
  header[156] = type;
  put(257, std::string_view("ustar\00000", 8));
  unsigned sum = 0;
  for (const unsigned char byte : header) sum += byte;
  put(148, fmt::format("{:06o}", sum));
  header[154] = '\0';
  return header + std::string(content) + std::string((512 - content.size() % 512) % 512, '\0');
}

inline const std::string tar_end(1024, '\0');

inline std::string tar_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string tar;
  for (const auto& [name, content] : files) tar += tar_member(name, content);
  return tar + tar_end;
}

// Record i of CIFAR: its labels, then byte b of the planes is i + b.
inline std::string cifar_records(std::uint32_t count, std::size_t label_bytes, int classes) {
  std::string text;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (label_bytes == 2) text += static_cast<char>(99);
    text += static_cast<char>(i % static_cast<unsigned>(classes));
    for (std::uint32_t b = 0; b < 3072; ++b) text += static_cast<char>(i + b);
  }
  return text;
}

}  // namespace convoy
