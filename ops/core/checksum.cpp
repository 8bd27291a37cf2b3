#include "ops/core/checksum.h"

#include <openssl/evp.h>

#include <cstring>
#include <vector>

#include "ops/core/check.h"
#include "ops/core/file.h"

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

namespace convoy {
namespace {

// Bit-reflected polynomial of CRC-32C.
constexpr std::uint32_t castagnoli = 0x82F63B78;

constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? castagnoli : 0);
    table[byte] = crc;
  }
  return table;
}();

std::uint32_t crc32c_portable(std::uint32_t crc, const std::byte* data, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    crc = (crc >> 8) ^ crc_table[(crc ^ static_cast<std::uint32_t>(data[i])) & 0xFF];
  }
  return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(std::uint32_t crc,
                                                             const std::byte* data,
                                                             std::size_t size) {
  std::uint64_t wide = crc;
  for (; size >= 8; data += 8, size -= 8) {
    std::uint64_t word;
    std::memcpy(&word, data, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  crc = static_cast<std::uint32_t>(wide);
  for (; size > 0; ++data, --size) crc = _mm_crc32_u8(crc, static_cast<std::uint8_t>(*data));
  return crc;
}
#endif

using Crc32c = std::uint32_t (*)(std::uint32_t, const std::byte*, std::size_t);

Crc32c choose_crc32c() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42;
#endif
  return crc32c_portable;
}

}  // namespace

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) {
  static const Crc32c best = choose_crc32c();
  return ~best(~before, bytes.data(), bytes.size());
}

struct Sha256::State {
  struct ContextPolicy {
    using type = EVP_MD_CTX*;
    static type null() noexcept { return nullptr; }
    static void close(type context) noexcept { EVP_MD_CTX_free(context); }
  };
  Handle<ContextPolicy> context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  require(EVP_DigestInit_ex(state_->context.get(), EVP_sha256(), nullptr) == 1, ExitCode::internal,
          "sha256", "libcrypto offers no SHA-256");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

Sha256& Sha256::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1,
          ExitCode::internal, "sha256", "libcrypto failed");
  return *this;
}

std::string Sha256::hex() {
  std::array<unsigned char, 32> digest{};
  require(EVP_DigestFinal_ex(state_->context.get(), digest.data(), nullptr) == 1,
          ExitCode::internal, "sha256", "libcrypto failed");
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string sha256_of_file(const std::filesystem::path& path) {
  const FileDescriptor file = open_for_reading(path);
  const std::uint64_t size = std::filesystem::file_size(path);
  std::vector<std::byte> buffer(1 << 20);
  Sha256 digest;
  for (std::uint64_t offset = 0; offset < size; offset += buffer.size()) {
    const auto piece =
        std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), size - offset));
    read_at(file, piece, offset, path);
    digest.update(piece);
  }
  return digest.hex();
}

}  // namespace convoy
