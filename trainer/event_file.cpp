#include "trainer/event_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>

#include "ops/core/check.h"
#include "ops/core/checksum.h"

namespace convoy {
namespace {

static_assert(std::endian::native == std::endian::little);

template <class T>
std::string bytes_of(T value) {
  const auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(value);
  return {bytes.begin(), bytes.end()};
}

// Protocol Buffers: a field's number and the kind of its encoding, then its value.
enum class Wire : std::uint32_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

std::string varint(std::uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) text += static_cast<char>(value | 0x80);
  return text + static_cast<char>(value);
}

std::string key(std::uint32_t field, Wire wire) {
  return varint(field << 3 | static_cast<std::uint32_t>(wire));
}

std::string nested(std::uint32_t field, std::string_view message) {
  return key(field, Wire::bytes) + varint(message.size()) + std::string(message);
}

std::string masked_checksum(std::string_view text) {
  const std::uint32_t checksum = crc32c(std::as_bytes(std::span(text)));
  return bytes_of(std::rotr(checksum, 15) + 0xa282ead8u);
}

std::string record(std::string_view message) {
  const std::string length = bytes_of(std::uint64_t{message.size()});
  return length + masked_checksum(length) + std::string(message) + masked_checksum(message);
}

// What every event begins with.
std::string event(double time, std::uint64_t step) {
  return key(1, Wire::fixed64) + bytes_of(time) + key(2, Wire::varint) + varint(step);
}

double now() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_1970).count();
}

std::string name_of_file(std::uint64_t step) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return fmt::format("events.out.tfevents.{:.0f}.{}.{}.{}", now(), host.data(), ::getpid(), step);
}

}  // namespace

std::string version_record(double time) {
  return record(key(1, Wire::fixed64) + bytes_of(time) + nested(3, "brain.Event:2"));
}

std::string restart_record(double time, std::uint64_t step) {
  constexpr std::uint64_t start = 1;
  return record(event(time, step) + nested(7, key(1, Wire::varint) + varint(start)));
}

std::string scalars_record(double time, std::uint64_t step, std::span<const Scalar> scalars) {
  std::string summary;
  for (const Scalar& scalar : scalars) {
    const std::string value =
        nested(1, scalar.tag) + key(2, Wire::fixed32) + bytes_of(static_cast<float>(scalar.value));
    summary += nested(1, value);
  }
  return record(event(time, step) + nested(5, summary));
}

EventFile::EventFile(const std::filesystem::path& folder, std::uint64_t step)
    : path_(folder / name_of_file(step)), first_step_(step) {}

void EventFile::add(std::uint64_t step, std::span<const Scalar> scalars) {
  if (!file_.is_open()) {
    file_.open(path_, std::ios::binary);
    file_ << version_record(now());
    if (first_step_ > 0) file_ << restart_record(now(), first_step_);
  }
  file_ << scalars_record(now(), step, scalars) << std::flush;
  require(file_.good(), ExitCode::storage, path_.string(), "cannot be written");
}

}  // namespace convoy
