// The ground: random numbers, checksums, files, handles.
#include <gtest/gtest.h>

#include "ops/core/checksum.h"
#include "ops/core/random.h"

namespace convoy {
namespace {

// Known answers of the Random123 distribution.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Crc32c, KnownAnswer) {
  EXPECT_EQ(crc32c(std::as_bytes(std::span("123456789", 9))), 0xE3069283u);
}

TEST(Crc32c, GoesOnFromWhatCameBefore) {
  const auto text = std::as_bytes(std::span("123456789", 9));
  EXPECT_EQ(crc32c(text.last(5), crc32c(text.first(4))), crc32c(text));
}

TEST(Sha256, KnownAnswer) {
  EXPECT_EQ(Sha256().update("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace convoy
