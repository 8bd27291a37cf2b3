// Checkpoints on file systems of our own: one that is full, and one whose power is cut.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <random>

#include "ops/core/check.h"
#include "ops/core/file.h"
#include "tests/trainer/small_checkpoint.h"
#include "tests/trainer/temporary_folder.h"
#include "trainer/checkpoint.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// Mounts that only this process sees, as root or in a user namespace. False if neither is allowed.
bool own_mounts() {
  const auto user = ::getuid();
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    std::ofstream("/proc/self/uid_map") << fmt::format("0 {} 1", user);
  }
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

enum class Result { passed, failed, not_possible };

// `body` in a child, so that its mounts end with it.
Result in_child(const std::function<Result()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    Result result = Result::failed;
    try {
      result = body();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    ::_exit(static_cast<int>(testing::Test::HasFailure() ? Result::failed : result));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? static_cast<Result>(WEXITSTATUS(status)) : Result::failed;
}

// Fills the disk until `pages` are free.
void leave_free(const fs::path& disk, std::uint64_t pages) {
  std::ofstream ballast(disk / "ballast", std::ios::app);
  for (struct statvfs status{}; ::statvfs(disk.c_str(), &status) == 0 && status.f_bavail > pages;) {
    ballast << std::string(status.f_bsize, 'x') << std::flush;
  }
}

// A save takes one page for each of its five files: the disk is full at each of them in turn.
Result save_on_a_full_disk(const fs::path& disk) {
  if (!own_mounts()) return Result::not_possible;
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=256k") != 0) return Result::not_possible;
  const fs::path folder = disk / "run";
  save_checkpoint(folder, snapshot_of(1), 1);
  const auto expect_failure = [&](int floats) {
    try {
      save_checkpoint(folder, snapshot_of(2, floats), 1);
      ADD_FAILURE() << "saved";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::storage);
      EXPECT_TRUE(std::string(error.what()).ends_with("No space left on device")) << error.what();
    }
    EXPECT_EQ(names_in(folder), std::vector<std::string>{"step-00000001"});
    EXPECT_EQ(newest_step(folder), 1u);
  };
  expect_failure(100'000);
  for (std::uint64_t pages = 0; pages < 5; ++pages) {
    SCOPED_TRACE(pages);
    fs::remove(disk / "ballast");
    leave_free(disk, pages);
    expect_failure(24);
  }
  fs::remove(disk / "ballast");
  leave_free(disk, 5);
  save_checkpoint(folder, snapshot_of(3), 1);
  EXPECT_EQ(newest_step(folder), 3u);
  return Result::passed;
}

TEST(CheckpointDisk, FullDiskLeavesTheOneBefore) {
  const TemporaryFolder folder;
  const Result result = in_child([&] { return save_on_a_full_disk(folder.path()); });
  if (result == Result::not_possible) GTEST_SKIP() << "needs the right to mount a tmpfs";
  EXPECT_EQ(result, Result::passed);
}

// Saves steps 1, 2, ... until it is killed or fails, and writes the number of each to `acknowledge`
// once it is durable. Nothing is pruned: that would sync the folder once more.
[[noreturn]] void save_for_ever(const fs::path& folder, int floats, int acknowledge) {
  ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
  try {
    CheckpointWriter writer({.folder = folder, .keep = 1'000'000, .max_failures = 1});
    Snapshot snapshot;
    for (std::uint64_t step = 1;; ++step) {
      snapshot = snapshot_of(step, floats);
      writer.save_async(snapshot, CheckpointWriter::IfBusy::wait);
      const bool durable = writer.wait();
      if (!durable || ::write(acknowledge, &step, sizeof step) != sizeof step) break;
    }
  } catch (const std::exception&) {
  }
  ::_exit(0);
}

// Runs save_for_ever until step `saves` is acknowledged and `microseconds` more, calls `end`, which
// must end it, and returns the last step that was acknowledged.
std::uint64_t interrupt_saves(const fs::path& folder, int floats, std::uint64_t saves,
                              unsigned microseconds, const std::function<void(pid_t)>& end) {
  int pipe[2];
  EXPECT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) save_for_ever(folder, floats, pipe[1]);
  ::close(pipe[1]);
  std::uint64_t step = 0, next = 0;
  while (step < saves && ::read(pipe[0], &next, sizeof next) == sizeof next) step = next;
  if (microseconds > 0) ::usleep(microseconds);
  end(child);
  while (::read(pipe[0], &next, sizeof next) == sizeof next) step = next;
  ::waitpid(child, nullptr, 0);
  ::close(pipe[0]);
  EXPECT_GE(step, saves);
  return step;
}

TEST(CheckpointDisk, KilledAtRandomMoments) {
  std::mt19937 random(3);
  constexpr int floats = 100'000;
  for (int round = 0; round < 30; ++round) {
    const TemporaryFolder folder;
    const std::uint64_t step = interrupt_saves(folder.path(), floats, random() % 4, random() % 5000,
                                               [](pid_t child) { ::kill(child, SIGKILL); });
    EXPECT_GE(newest_step(folder.path(), floats), step);
  }
}

// What FS_IOC_SHUTDOWN of linux/fs.h is on kernels that know it by the name of ext4 or XFS: from
// now on nothing reaches the disk, not even the journal.
bool cut_power(const fs::path& disk) {
  constexpr unsigned long shutdown = _IOR('X', 125, std::uint32_t);
  std::uint32_t without_flushing_the_log = 2;
  const FileDescriptor file = open_for_reading(disk);
  return ::ioctl(file.get(), shutdown, &without_flushing_the_log) == 0;
}

bool shell(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

Result save_until_the_power_is_cut(const fs::path& folder) {
  const std::string image = folder / "disk.img", disk = folder / "disk";
  fs::create_directory(disk);
  const std::string mount = fmt::format("mount -o loop '{}' '{}'", image, disk);
  if (!own_mounts() || !shell(fmt::format("truncate -s 64M '{}'", image)) ||
      !shell(fmt::format("PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -F '{}'", image)) ||
      !shell(mount))
    return Result::not_possible;
  std::mt19937 random(4);
  constexpr int floats = 60'000;
  for (int round = 0; round < 15; ++round) {
    const fs::path run = fs::path(disk) / fmt::format("run{}", round);
    create_folder(run);
    bool cut = false;
    // Right after an acknowledgement, or while a save is under way.
    const unsigned wait = round % 3 == 0 ? 0 : random() % 20'000;
    const std::uint64_t step =
        interrupt_saves(run, floats, 1 + random() % 4, wait, [&](pid_t) { cut = cut_power(disk); });
    if (!shell(fmt::format("umount '{}'", disk)) || !cut || !shell(mount))
      return Result::not_possible;
    EXPECT_GE(newest_step(run, floats), step) << "round " << round;
    fs::remove_all(run);
  }
  shell(fmt::format("umount '{}'", disk));
  return Result::passed;
}

TEST(CheckpointDisk, PowerCutLosesNothingAcknowledged) {
  const TemporaryFolder folder;
  const Result result = in_child([&] { return save_until_the_power_is_cut(folder.path()); });
  if (result == Result::not_possible) GTEST_SKIP() << "needs root, loop devices and ext4";
  EXPECT_EQ(result, Result::passed);
}

}  // namespace
}  // namespace convoy
