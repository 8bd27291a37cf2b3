// The run folder: its lock, so that two jobs never write one folder, and its status file.
//
//   runs/NAME/lock         {"host": "node7", "pid": 4711, "start": 123456, "job": "99"}; empty:
//   free runs/NAME/status.json  {"code": 75, "reason": "...", "step": 1234, "host": "node7",
//                           "restart": 2}
//
// `start` is the process's start in clock ticks since boot, so that a number used again is not
// taken for the process; `job` is SLURM_JOB_ID, or "".
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "ops/core/check.h"

namespace convoy {

// This machine's name, with every character that does not fit a file name replaced by '-'.
std::string host_name();

// Held by rank 0 while it may write into the folder.
//
// A lock is stale, and taken over, if its process is dead (same host) or belonged to an earlier
// start of the same Slurm job (any host). A holder on another host cannot be asked: refused, with
// the file to delete once it is surely gone.
class RunFolderLock {
 public:
  // Creates the folder if it is missing. Error(config) if another run holds it; Error(storage).
  explicit RunFolderLock(const std::filesystem::path& folder);
  RunFolderLock(RunFolderLock&& other) noexcept;
  RunFolderLock& operator=(RunFolderLock&&) = delete;
  ~RunFolderLock();

 private:
  std::filesystem::path file_;  // empty: moved from
};

struct RunStatus {
  ExitCode code = ExitCode::done;
  std::string reason;  // one line
  std::uint64_t step = 0;
  int restart = 0;  // of the job: SLURM_RESTART_COUNT, or the checkpoint's count
};

// Replaces folder/status.json atomically. Error(storage).
void write_status(const std::filesystem::path& folder, const RunStatus& status);

}  // namespace convoy
