// Checksums: CRC32C for each image (fast enough for every read), SHA-256 for whole files and for
// agreement of ranks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace convoy {

// CRC-32C (Castagnoli; RFC 3720 appendix B.4): crc32c("123456789") = 0xE3069283. Uses the
// processor's instruction. `before`: the checksum of the bytes in front of these, to go on from.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0);

// SHA-256 (FIPS 180-4), fed piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  Sha256& update(std::span<const std::byte> bytes);
  Sha256& update(std::string_view text) { return update(std::as_bytes(std::span(text))); }
  // 64 lower-case hexadecimal digits. Ends the digest.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Digest of a file's bytes. Error(data) if it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace convoy
