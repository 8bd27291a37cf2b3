// Tar: where the files in an archive lie, so that each can be read at its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace convoy {

struct TarMember {
  std::string name;          // without "./" or "/" before it
  std::uint64_t offset = 0;  // of its bytes
  std::uint64_t bytes = 0;
};

struct TarIndex {
  std::vector<TarMember> files;  // in byte order of their names; of equal names the last
  std::set<std::string> folders;
  std::uint64_t ignored = 0;  // links, devices and replaced files; hidden files are not counted
};

// Reads exactly into.size() bytes at `at`.
using ReadAt = std::function<void(std::uint64_t at, std::span<std::byte> into)>;

// Whether `start`, the first 512 bytes of a file, are a header of a tar: by their checksum.
bool is_tar(std::span<const std::byte> start);

// Reads the headers of the tar in [begin, end) of whatever `read` reads: the formats v7, ustar, pax
// and GNU, the last with long names. Takes any bytes: Error(data) that starts with `place` for what
// is damaged, cut short or not supported (sparse files).
TarIndex index_tar(const ReadAt& read, std::uint64_t begin, std::uint64_t end,
                   std::string_view place);

}  // namespace convoy
