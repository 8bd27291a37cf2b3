// The run folder: one run at a time, and a status that is never half written.
#include "trainer/run_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "ops/core/file.h"
#include "tests/trainer/small_checkpoint.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

class RunFolder : public testing::Test {
 protected:
  RunFolder() { ::unsetenv("SLURM_JOB_ID"); }
  ~RunFolder() override { ::unsetenv("SLURM_JOB_ID"); }

  fs::path folder() const { return temporary_.path() / "runs" / "a"; }
  fs::path lock() const { return folder() / "lock"; }
  void leave_lock(const std::string& text) {
    fs::create_directories(folder());
    std::ofstream(lock()) << text;
  }
  // The refusal's message; "" if the lock is given.
  std::string refusal() const {
    try {
      const RunFolderLock taken(folder());
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::config);
      return error.what();
    }
  }

 private:
  TemporaryFolder temporary_;
};

TEST_F(RunFolder, IsHeldOnce) {
  std::optional<RunFolderLock> first(folder());
  EXPECT_EQ(refusal(), fmt::format("{}: process {} of this host is training in this folder",
                                   lock().string(), ::getpid()));
  RunFolderLock second(std::move(*first));
  first.reset();  // moved from: frees nothing
  EXPECT_NE(refusal(), "");
}

TEST_F(RunFolder, IsFreeAgain) {
  { const RunFolderLock first(folder()); }
  EXPECT_EQ(read_file(lock()), "");
  EXPECT_EQ(refusal(), "");
}

// A child that is killed with the lock in its hands.
TEST_F(RunFolder, IsTakenFromTheDead) {
  const pid_t child = ::fork();
  if (child == 0) {
    const RunFolderLock held(folder());
    ::raise(SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  ASSERT_NE(read_file(lock()).find(fmt::format("\"pid\":{}", child)), std::string::npos);
  EXPECT_EQ(refusal(), "");
}

// One that is dead but not yet waited for is dead.
TEST_F(RunFolder, IsTakenFromAZombie) {
  const pid_t child = ::fork();
  if (child == 0) {
    const RunFolderLock held(folder());
    ::raise(SIGKILL);
  }
  siginfo_t info;
  ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  EXPECT_EQ(refusal(), "");
  ::waitpid(child, nullptr, 0);
}

TEST_F(RunFolder, IsKeptByALivingProcess) {
  int ready[2], end[2];
  ASSERT_EQ(::pipe(ready) + ::pipe(end), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(end[1]);
    const RunFolderLock held(folder());
    char byte = 0;
    if (::write(ready[1], &byte, 1) != 1 || ::read(end[0], &byte, 1) < 0) ::_exit(1);
    ::_exit(0);
  }
  char byte;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_NE(refusal().find(fmt::format("process {} of this host", child)), std::string::npos);
  ::close(end[1]);
  ::waitpid(child, nullptr, 0);
  for (const int fd : {ready[0], ready[1], end[0]}) ::close(fd);
}

// A process number that another process has by now does not count.
TEST_F(RunFolder, KnowsAProcessByItsStart) {
  leave_lock(
      fmt::format(R"({{"host":"{}","pid":{},"start":12,"job":""}})", host_name(), ::getpid()));
  EXPECT_EQ(refusal(), "");
}

TEST_F(RunFolder, IsNotTakenFromAnotherHost) {
  leave_lock(R"({"host":"elsewhere","pid":1,"start":1,"job":"41"})");
  const std::string expected = lock().string() +
                               ": process 1 on host elsewhere (Slurm job 41) holds this folder; "
                               "delete this file if that run is gone";
  EXPECT_EQ(refusal(), expected);
  ::setenv("SLURM_JOB_ID", "42", 1);
  EXPECT_EQ(refusal(), expected);
  // A requeued job starts on another node, with the same number.
  ::setenv("SLURM_JOB_ID", "41", 1);
  EXPECT_EQ(refusal(), "");
}

TEST_F(RunFolder, SurvivesALockThatIsNone) {
  for (const char* text : {"{", "[]", "{\"host\":1}", "\xff"}) {
    leave_lock(text);
    EXPECT_EQ(refusal(), "") << text;
  }
}

TEST_F(RunFolder, FreesOnlyItsOwnLock) {
  const std::string other = R"({"host":"elsewhere","pid":1,"start":1,"job":""})";
  {
    const RunFolderLock first(folder());
    leave_lock(other);  // deleted and taken by another
  }
  EXPECT_EQ(read_file(lock()), other);
}

// Of many that start at once, one wins.
TEST_F(RunFolder, HasOneWinner) {
  constexpr int processes = 8;
  for (int round = 0; round < 5; ++round) {
    int start[2], results[2], end[2];
    ASSERT_EQ(::pipe(start) + ::pipe(results) + ::pipe(end), 0);
    for (int i = 0; i < processes; ++i) {
      if (::fork() != 0) continue;
      ::close(start[1]);
      ::close(end[1]);
      char won = 0;
      if (::read(start[0], &won, 1) != 0) ::_exit(1);
      std::optional<RunFolderLock> held;
      try {
        held.emplace(folder());
        won = 1;
      } catch (const Error&) {
      }
      // All live until all have tried.
      if (::write(results[1], &won, 1) != 1 || ::read(end[0], &won, 1) != 0) ::_exit(1);
      ::_exit(0);
    }
    ::close(start[1]);
    int winners = 0;
    for (int i = 0; i < processes; ++i) {
      char won = 0;
      ASSERT_EQ(::read(results[0], &won, 1), 1);
      winners += won;
    }
    EXPECT_EQ(winners, 1);
    ::close(end[1]);
    for (int i = 0; i < processes; ++i) ::wait(nullptr);
    for (const int fd : {start[0], results[0], results[1], end[0]}) ::close(fd);
  }
}

TEST_F(RunFolder, StatusIsOneObject) {
  fs::create_directories(folder());
  write_status(folder(), {.code = ExitCode::internal, .reason = "old", .step = 1, .restart = 0});
  write_status(folder(),
               {.code = ExitCode::stopped, .reason = "a \"b\"\n\xff", .step = 12, .restart = 3});
  const auto status = nlohmann::json::parse(read_file(folder() / "status.json"));
  EXPECT_EQ(status, (nlohmann::json{{"code", 75},
                                    {"reason", "a \"b\"\n\xef\xbf\xbd"},
                                    {"step", 12},
                                    {"host", host_name()},
                                    {"restart", 3}}));
  EXPECT_EQ(names_in(folder()), std::vector<std::string>{"status.json"});
}

TEST_F(RunFolder, HostNameFitsAFileName) {
  EXPECT_FALSE(host_name().empty());
  EXPECT_EQ(host_name().find_first_of("/. \n"), std::string::npos);
}

}  // namespace
}  // namespace convoy
