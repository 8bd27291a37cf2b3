// The ground: random numbers, checksums, files, handles.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "ops/core/arena.h"
#include "ops/core/checksum.h"
#include "ops/core/memory.h"
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

// A host as /proc and /sys describe it.
class Host : public testing::Test {
 protected:
  Host() { std::filesystem::remove_all(root_); }
  ~Host() override { std::filesystem::remove_all(root_); }
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  const std::filesystem::path root_ =
      std::filesystem::temp_directory_path() / ("convoy_host_" + std::to_string(getpid()));
};

TEST_F(Host, HasWhatTheKernelSays) {
  write("proc/meminfo", "MemTotal:  4096 kB\nMemFree: 7 kB\nMemAvailable:    1024 kB\n");
  EXPECT_EQ(available_memory(root_), 1024u * 1024);
}

TEST_F(Host, GivesAGroupNoMoreThanItsParentsAllow) {
  write("proc/meminfo", "MemAvailable: 1024 kB\n");
  write("proc/self/cgroup", "0::/slurm/job_7\n");
  write("sys/fs/cgroup/slurm/memory.max", "500000\n");
  write("sys/fs/cgroup/slurm/memory.current", "300000\n");
  write("sys/fs/cgroup/slurm/memory.stat", "anon 1\ninactive_file 50000\n");
  write("sys/fs/cgroup/slurm/job_7/memory.max", "max\n");
  write("sys/fs/cgroup/slurm/job_7/memory.current", "100000\n");
  EXPECT_EQ(available_memory(root_), 250000u);
}

TEST(Arena, NamesWhatIsWantedAndWhatIsThere) {
  const std::size_t terabytes = std::size_t{1} << 46;
  try {
    const Arena arena(terabytes, "activations");
    FAIL() << "64 TiB were given";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::config);
    const std::string text = error.what();
    EXPECT_TRUE(text.starts_with("activations: needs 70368744177664 bytes of memory, ")) << text;
    EXPECT_NE(text.find("are available"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace convoy
