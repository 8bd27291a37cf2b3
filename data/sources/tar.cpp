// The format is described in POSIX.1-2017 (pax, "ustar Interchange Format") and in the manual of
// GNU tar ("Basic Tar Format"): headers of 512 bytes, each followed by its file, padded to 512.
#include "data/sources/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "data/sources/files.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

constexpr std::uint64_t block_bytes = 512;
constexpr std::uint64_t max_extension_bytes = 1 << 20;  // of a long name, of a pax header

using Block = std::array<std::byte, block_bytes>;

struct Field {
  std::size_t at, bytes;
};
constexpr Field name_field{0, 100}, size_field{124, 12}, checksum_field{148, 8},
    magic_field{257, 6}, prefix_field{345, 155};
constexpr std::size_t type_at = 156;

std::string_view text_of(std::span<const std::byte> block, Field field) {
  const std::string_view text(reinterpret_cast<const char*>(block.data()) + field.at, field.bytes);
  return text.substr(0, text.find('\0'));
}

// Octal digits between blanks, or, from 8 GiB on, big-endian behind a set highest bit. None: no
// number, a negative one, one beyond 63 bits.
std::optional<std::uint64_t> number_of(std::span<const std::byte> block, Field field) {
  const auto bytes = block.subspan(field.at, field.bytes);
  std::uint64_t value = 0;
  if ((bytes[0] & std::byte{0x80}) != std::byte{0}) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const auto byte =
          std::to_integer<std::uint64_t>(i == 0 ? bytes[0] & std::byte{0x7F} : bytes[i]);
      if (value >> 55 != 0) return std::nullopt;
      value = value << 8 | byte;
    }
    return value;
  }
  std::string_view digits(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  digits = digits.substr(0, digits.find('\0'));
  while (digits.starts_with(' ')) digits.remove_prefix(1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

// The sum of all bytes, those of the checksum itself counted as blanks.
bool checksum_holds(std::span<const std::byte> block) {
  std::uint64_t sum = checksum_field.bytes * ' ';
  for (std::size_t i = 0; i < block_bytes; ++i) {
    const bool own = i >= checksum_field.at && i < checksum_field.at + checksum_field.bytes;
    if (!own) sum += std::to_integer<std::uint64_t>(block[i]);
  }
  return number_of(block, checksum_field) == sum;
}

std::string_view without_root(std::string_view name) {
  while (name.starts_with("./") || name.starts_with('/'))
    name.remove_prefix(name[0] == '/' ? 1 : 2);
  return name == "." ? "" : name;
}

bool hidden(std::string_view name) {
  return name.starts_with('.') || name.find("/.") != std::string_view::npos;
}

// What extension headers say of the next member.
struct Extensions {
  std::string name;
  std::optional<std::uint64_t> bytes;
};

class TarReader {
 public:
  TarReader(const ReadAt& read, std::uint64_t begin, std::uint64_t end, std::string_view place)
      : read_(read), at_(begin), end_(end), place_(place) {}

  TarIndex run() {
    while (next_header()) take_member();
    keep_last_of_equals();
    return std::move(index_);
  }

 private:
  // False at the block of zeros that ends the archive.
  bool next_header() {
    require(end_ - at_ >= block_bytes, ExitCode::data, place_,
            "ends at byte {} without the empty block that closes a tar: is it cut short?", end_);
    read_(at_, block_);
    if (std::ranges::all_of(block_, [](std::byte b) { return b == std::byte{0}; })) return false;
    require(checksum_holds(block_), ExitCode::data, place_,
            "byte {} is no header of a tar: its checksum is wrong", at_);
    at_ += block_bytes;
    return true;
  }

  void take_member() {
    const char type = static_cast<char>(block_[type_at]);
    const std::optional<std::uint64_t> own_bytes = number_of(block_, size_field);
    require(own_bytes.has_value(), ExitCode::data, place_, "the header before byte {} has no size",
            at_);
    const bool extension = type == 'L' || type == 'K' || type == 'x' || type == 'g';
    const bool no_data =
        type >= '1' && type <= '6';  // links, devices, folders, whatever they claim
    const std::uint64_t bytes = extension ? *own_bytes
                                : no_data ? 0
                                          : next_.bytes.value_or(*own_bytes);
    require(bytes <= end_ - at_, ExitCode::data, place_,
            "cut short: the file at byte {} has {} bytes, {} are left", at_, bytes, end_ - at_);
    if (extension) {
      take_extension(type, bytes);
    } else {
      require(type != 'S', ExitCode::data, place_, "the file at byte {} is sparse: not supported",
              at_);
      add_member(type, bytes);
      next_ = {};
    }
    at_ += std::min((bytes + block_bytes - 1) / block_bytes * block_bytes, end_ - at_);
  }

  void take_extension(char type, std::uint64_t bytes) {
    if (type == 'K' || type == 'g') return;
    require(bytes <= max_extension_bytes, ExitCode::data, place_,
            "the extended header at byte {} has {} bytes, at most {} expected", at_, bytes,
            max_extension_bytes);
    std::string text(bytes, '\0');
    read_(at_, std::as_writable_bytes(std::span(text)));
    if (type == 'L') {
      next_.name = text.substr(0, text.find('\0'));
    } else {
      take_pax(text);
    }
  }

  // Records "LENGTH KEY=VALUE\n", the length that of the whole record.
  void take_pax(std::string_view text) {
    while (!text.empty()) {
      std::size_t length = 0;
      const auto [digits_end, error] =
          std::from_chars(text.data(), text.data() + text.size(), length);
      const auto digits = static_cast<std::size_t>(digits_end - text.data());
      const std::size_t equals = text.find('=');
      const bool good = error == std::errc() && length <= text.size() && digits < length &&
                        text[digits] == ' ' && equals < length && equals > digits &&
                        text[length - 1] == '\n' && equals + 1 < length;
      require(good, ExitCode::data, place_, "the extended header at byte {} is damaged", at_);
      const std::string_view key = text.substr(digits + 1, equals - digits - 1);
      const std::string_view value = text.substr(equals + 1, length - equals - 2);
      take_record(key, value);
      text.remove_prefix(length);
    }
  }

  void take_record(std::string_view key, std::string_view value) {
    require(!key.starts_with("GNU.sparse"), ExitCode::data, place_,
            "the file behind byte {} is sparse: not supported", at_);
    if (key == "path") next_.name = value;
    if (key != "size") return;
    std::uint64_t bytes = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), bytes);
    require(error == std::errc() && end == value.data() + value.size(), ExitCode::data, place_,
            "the extended header at byte {} has no size", at_);
    next_.bytes = bytes;
  }

  std::string name_of_member() const {
    if (!next_.name.empty()) return next_.name;
    std::string name(text_of(block_, name_field));
    if (text_of(block_, magic_field) == "ustar") {  // GNU's magic goes on with blanks
      const std::string_view prefix = text_of(block_, prefix_field);
      if (!prefix.empty()) name = fmt::format("{}/{}", prefix, name);
    }
    return name;
  }

  void add_member(char type, std::uint64_t bytes) {
    const std::string whole = name_of_member();
    std::string_view name = without_root(whole);
    require(!has_control_characters(name), ExitCode::data, place_,
            "the name of the file at byte {} has a control character", at_);
    if (name.empty() || hidden(name)) return;
    const bool folder = type == '5' || name.ends_with('/');
    if (const std::size_t slash = name.find('/'); folder || slash != std::string_view::npos) {
      index_.folders.emplace(name.substr(0, slash));
    }
    if (folder) return;
    if (type == '0' || type == '\0' || type == '7') {
      index_.files.push_back({std::string(name), at_, bytes});
    } else {
      ++index_.ignored;
    }
  }

  void keep_last_of_equals() {
    auto& files = index_.files;
    std::ranges::stable_sort(files, {}, &TarMember::name);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (i + 1 < files.size() && files[i].name == files[i + 1].name) {
        ++index_.ignored;
      } else {
        std::swap(files[kept++], files[i]);
      }
    }
    files.resize(kept);
  }

  const ReadAt& read_;
  std::uint64_t at_, end_;
  std::string_view place_;
  Block block_{};
  Extensions next_;
  TarIndex index_;
};

}  // namespace

bool is_tar(std::span<const std::byte> start) {
  return start.size() >= block_bytes && checksum_holds(start.first(block_bytes)) &&
         start[0] != std::byte{0};
}

TarIndex index_tar(const ReadAt& read, std::uint64_t begin, std::uint64_t end,
                   std::string_view place) {
  return TarReader(read, begin, end, place).run();
}

}  // namespace convoy
