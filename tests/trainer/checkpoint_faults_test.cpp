// A save that is killed at each of its system calls, or in which each of them fails: afterwards the
// newest whole checkpoint is the one before or the new one, and the next save succeeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>

#include "ops/core/check.h"
#include "ops/core/file.h"
#include "tests/trainer/small_checkpoint.h"
#include "tests/trainer/temporary_folder.h"
#include "tests/trainer/traced_child.h"
#include "trainer/checkpoint.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// What save_checkpoint says, as an exit code.
int save(const fs::path& folder, std::uint64_t step, int keep) {
  try {
    save_checkpoint(folder, snapshot_of(step), keep);
    return 0;
  } catch (const Error& error) {
    return static_cast<int>(error.code());
  }
}

bool has_leftovers(const fs::path& folder) {
  return std::ranges::any_of(names_in(folder), [](const std::string& name) {
    return name.find('.') != std::string::npos;
  });
}

// What the folder holds when step 2 is saved.
enum class Before { nothing, step_1, step_1_and_a_damaged_step_2 };

class CheckpointFaults : public testing::TestWithParam<Before> {
 protected:
  CheckpointFaults() {
    save(temporary_.path() / "first", 1, 1);  // what is done once in a process is done here
    if (GetParam() != Before::nothing) save(start(), 1, 1);
    if (GetParam() == Before::step_1_and_a_damaged_step_2) {
      save(start(), 2, 5);
      std::ofstream(start() / "step-00000002" / "model.safetensors") << "damaged";
    }
  }

  fs::path folder() const { return temporary_.path() / "run"; }
  std::uint64_t step_before() const { return GetParam() == Before::nothing ? 0 : 1; }

  // Saves step 2 in a traced child, from the same start each time.
  Traced save_traced(const FaultPlan& plan) {
    fs::remove_all(folder());
    if (GetParam() != Before::nothing) fs::copy(start(), folder(), fs::copy_options::recursive);
    return run_traced([&] { return save(folder(), 2, 1); }, plan);
  }

  // Nothing that the fault left is in the way of a new process.
  void expect_recovery() {
    clean_checkpoints(folder());
    EXPECT_EQ(save(folder(), 2, 1), 0);
    EXPECT_EQ(newest_step(folder()), 2u);
    EXPECT_EQ(names_in(folder()), std::vector<std::string>{"step-00000002"});
  }

  // As newest_step; warnings of damaged checkpoints are expected and thrown away.
  std::uint64_t newest() {
    testing::internal::CaptureStderr();
    std::uint64_t step = 0;
    try {
      step = newest_step(folder());
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
    testing::internal::GetCapturedStderr();
    return step;
  }

 private:
  fs::path start() const { return temporary_.path() / "start"; }

  TemporaryFolder temporary_;
};

TEST_P(CheckpointFaults, KilledAtEverySystemCall) {
  std::uint64_t step = 0;
  int at = 1;
  for (;; ++at) {
    SCOPED_TRACE(fmt::format("killed at call {}", at));
    const Traced traced = save_traced({.fault = Fault::kill, .at = at});
    if (!traced.possible) GTEST_SKIP() << "needs ptrace";
    step = newest();
    ASSERT_TRUE(step == 2 || step == step_before()) << step;
    if (!traced.killed) break;
    expect_recovery();
  }
  EXPECT_GT(at, 50);
  EXPECT_EQ(step, 2u);  // of the save that nobody killed
}

// Calls whose failure is no fault of storage.
const std::set<long> not_of_files = {SYS_brk,        SYS_mmap,    SYS_munmap,
                                     SYS_mremap,     SYS_madvise, SYS_getpid,
                                     SYS_exit_group, SYS_futex,   SYS_sigaltstack};

TEST_P(CheckpointFaults, EveryCallFailsOnce) {
  if (!calls_can_be_changed) GTEST_SKIP() << "system calls can be changed on x86-64 only";
  const Traced whole = save_traced({.ignored = not_of_files});
  if (!whole.possible) GTEST_SKIP() << "needs ptrace";
  ASSERT_EQ(whole.exit_code, 0);
  int failures = 0;
  for (const int error : {EIO, ENOSPC}) {
    for (int at = 1; at <= whole.calls; ++at) {
      const Traced traced =
          save_traced({.fault = Fault::error, .at = at, .error = error, .ignored = not_of_files});
      SCOPED_TRACE(fmt::format("error {} at call {} of {}: number {}", error, at, whole.calls,
                               traced.faulty_call));
      ASSERT_NE(traced.faulty_call, -1);
      const std::uint64_t step = newest();
      if (traced.exit_code == 0) {
        ASSERT_EQ(step, 2u);
      } else {
        ASSERT_EQ(traced.exit_code, static_cast<int>(ExitCode::storage));
        ASSERT_TRUE(step == 2 || step == step_before()) << step;
        ++failures;
      }
      expect_recovery();
    }
  }
  EXPECT_GT(failures, 2 * 25);
}

TEST_P(CheckpointFaults, WritesThatTakeHalf) {
  if (!calls_can_be_changed) GTEST_SKIP() << "system calls can be changed on x86-64 only";
  const Traced whole = save_traced({.ignored = not_of_files});
  if (!whole.possible) GTEST_SKIP() << "needs ptrace";
  int writes = 0;
  for (int at = 1; at <= whole.calls; ++at) {
    SCOPED_TRACE(at);
    Traced traced = save_traced({.fault = Fault::short_write, .at = at, .ignored = not_of_files});
    ASSERT_EQ(traced.exit_code, 0);
    ASSERT_EQ(newest(), 2u);
    if (traced.faulty_call != SYS_write) continue;
    ++writes;
    // Storage that loses bytes is found out by reading back, before the name is given.
    traced = save_traced({.fault = Fault::lying_write, .at = at, .ignored = not_of_files});
    ASSERT_EQ(traced.exit_code, static_cast<int>(ExitCode::storage));
    ASSERT_EQ(newest(), step_before());
    ASSERT_FALSE(has_leftovers(folder()));
    expect_recovery();
  }
  EXPECT_GE(writes, 8);
}

std::string start_name(const testing::TestParamInfo<Before>& start) {
  constexpr const char* names[] = {"EmptyFolder", "OneBefore", "ReplacingADamagedOne"};
  return names[static_cast<int>(start.param)];
}

INSTANTIATE_TEST_SUITE_P(Start, CheckpointFaults,
                         testing::Values(Before::nothing, Before::step_1,
                                         Before::step_1_and_a_damaged_step_2),
                         start_name);

}  // namespace
}  // namespace convoy
