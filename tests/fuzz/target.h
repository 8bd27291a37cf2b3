// Fuzz targets: all that reads bytes from outside. Each takes any bytes and must come back: with
// what they hold, or with an Error of one line. Whatever else happens is a finding.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "ops/core/check.h"

namespace convoy::fuzz {

struct Target {
  std::string_view name;
  void (*run)(std::span<const std::byte> input);
  std::vector<std::string> (*seeds)();  // small valid inputs to begin with
};

// As tests name it.
inline void PrintTo(const Target& target, std::ostream* out) {
  *out << target.name;
}

std::span<const Target> targets();

// Of each family; targets() lists them.
extern const Target cifar, config, idx, image, manifest, safetensors, shard, shard_index,
    stored_image, table, tar;

// A finding, in a test as in a fuzzer.
inline void expect(bool good, const std::string& what) {
  if (!good) throw std::logic_error(what);
}

// `body` may throw an Error of one of `codes`, on one line.
template <class Body>
void take_or_refuse(std::initializer_list<ExitCode> codes, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    const std::string_view text = error.what();
    expect(std::find(codes.begin(), codes.end(), error.code()) != codes.end(),
           "wrong exit code: " + std::string(text));
    expect(!text.empty() && on_one_line(std::string(text)) == text,
           "not one line: " + std::string(text));
  }
}

inline std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace convoy::fuzz
