// A child process under ptrace(2) whose system calls are counted, and one of which fails, lies or
// is never reached because the child is killed. The child goes on in the test's own memory image
// (fork), so that no call of a loader is in the way.
#pragma once

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <set>

namespace convoy {

enum class Fault {
  none,
  kill,         // SIGKILL before the call
  error,        // the call does nothing and fails with Plan::error
  short_write,  // write(2) takes half of the bytes
  lying_write,  // write(2) says that it took half of the bytes, and took none
};

struct FaultPlan {
  Fault fault = Fault::none;
  int at = 0;     // of the calls that count, from 1
  int error = 0;  // an errno
  // The calls that do not count.
  std::set<long> ignored = {};
};

struct Traced {
  bool possible = true;  // false: this system lets nobody trace
  bool killed = false;
  int exit_code = -1;
  int calls = 0;          // that count, until its end
  long faulty_call = -1;  // number of the call at which the fault struck; -1: it did not
};

#if defined(__x86_64__)
inline constexpr bool calls_can_be_changed = true;
using Registers = user_regs_struct;
inline void skip_call(Registers& registers) {
  registers.orig_rax = ~0ull;
}
inline void set_result(Registers& registers, long value) {
  registers.rax = static_cast<unsigned long long>(value);
}
inline void halve_third_argument(Registers& registers) {
  registers.rdx /= 2;
}
template <class Edit>
void edit_registers(pid_t child, Edit edit) {
  Registers registers{};
  ::ptrace(PTRACE_GETREGS, child, nullptr, &registers);
  edit(registers);
  ::ptrace(PTRACE_SETREGS, child, nullptr, &registers);
}
#else
inline constexpr bool calls_can_be_changed = false;
struct Registers {};
inline void skip_call(Registers&) {}
inline void set_result(Registers&, long) {}
inline void halve_third_argument(Registers&) {}
template <class Edit>
void edit_registers(pid_t, Edit) {}
#endif

// Strikes as the call begins. Returns whether the result is to be replaced as it ends, by `result`.
inline bool strike(pid_t child, const FaultPlan& plan, const __ptrace_syscall_info& call,
                   long& result) {
  const bool is_write = call.entry.nr == SYS_write && call.entry.args[2] > 1;
  switch (plan.fault) {
    case Fault::none:
      return false;
    case Fault::kill:
      ::kill(child, SIGKILL);
      return false;
    case Fault::error:
      edit_registers(child, skip_call);
      result = -plan.error;
      return true;
    case Fault::short_write:
      if (is_write) edit_registers(child, halve_third_argument);
      return false;
    case Fault::lying_write:
      if (is_write) edit_registers(child, skip_call);
      result = static_cast<long>(call.entry.args[2] / 2);
      return is_write;
  }
  return false;
}

// Runs `body` in a child, its standard error thrown away, and ends it with the code it returns.
inline Traced run_traced(const std::function<int()>& body, const FaultPlan& plan) {
  constexpr int not_possible = 99;
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(::open("/dev/null", O_WRONLY), STDERR_FILENO);
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(not_possible);
    ::raise(SIGSTOP);
    ::_exit(body());
  }
  Traced outcome;
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSTOPPED(status)) {
    outcome.possible = false;
    return outcome;
  }
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  bool replace = false;
  long result = 0;
  while (true) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) break;
    __ptrace_syscall_info info{};
    ::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
    if (info.op == PTRACE_SYSCALL_INFO_EXIT && replace) {
      edit_registers(child, [&](Registers& registers) { set_result(registers, result); });
      replace = false;
    }
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY ||
        plan.ignored.contains(static_cast<long>(info.entry.nr)))
      continue;
    if (++outcome.calls != plan.at) continue;
    outcome.faulty_call = static_cast<long>(info.entry.nr);
    replace = strike(child, plan, info, result);
  }
  outcome.killed = WIFSIGNALED(status);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return outcome;
}

}  // namespace convoy
