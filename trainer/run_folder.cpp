#include "trainer/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "ops/core/file.h"
#include "ops/core/log.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

struct Owner {
  std::string host;
  std::int64_t pid = 0;
  std::uint64_t start = 0;
  std::string job;
  bool operator==(const Owner&) const = default;
};

// Clock ticks since boot at which the process started (proc(5), field 22 of stat); none if there
// is no such process.
std::optional<std::uint64_t> start_of(std::int64_t pid) {
  std::string stat;
  try {
    const fs::path path = fmt::format("/proc/{}/stat", pid);
    const FileDescriptor file = open_for_reading(path);
    stat.resize(4096);
    const ssize_t got = ::read(file.get(), stat.data(), stat.size());
    stat.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  } catch (const Error&) {
    return std::nullopt;
  }
  std::size_t at = stat.rfind(')');  // the name before it may hold anything
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = stat.find(' ', at + 1);
  if (at == std::string::npos) return std::nullopt;
  const char state = stat[stat.rfind(')') + 2];
  if (state == 'Z' || state == 'X') return std::nullopt;
  return std::strtoull(stat.c_str() + at + 1, nullptr, 10);
}

Owner this_process() {
  const char* job = std::getenv("SLURM_JOB_ID");
  return {host_name(), ::getpid(), start_of(::getpid()).value_or(0), job ? job : ""};
}

std::string text_of(const Owner& owner) {
  return json{{"host", owner.host}, {"pid", owner.pid}, {"start", owner.start}, {"job", owner.job}}
             .dump() +
         "\n";
}

// None if the lock is free or not readable as one (a power cut can leave such).
std::optional<Owner> parse_owner(const std::string& text, const fs::path& file) {
  if (text.empty()) return std::nullopt;
  try {
    const json value = json::parse(text);
    return Owner{value.at("host").get<std::string>(), value.at("pid").get<std::int64_t>(),
                 value.at("start").get<std::uint64_t>(), value.at("job").get<std::string>()};
  } catch (const json::exception&) {
    log_warning("{}: not a lock that convoy has written; taken over", file.string());
    return std::nullopt;
  }
}

// Error(config) if the owner still runs or might.
void require_gone(const Owner& owner, const Owner& self, const fs::path& file) {
  if (owner.host == self.host) {
    require(owner.start == 0 || start_of(owner.pid) != owner.start, ExitCode::config, file.string(),
            "process {} of this host is training in this folder", owner.pid);
  } else {
    require(!owner.job.empty() && owner.job == self.job, ExitCode::config, file.string(),
            "process {} on host {}{} holds this folder; delete this file if that run is gone",
            owner.pid, owner.host, owner.job.empty() ? "" : " (Slurm job " + owner.job + ")");
  }
  log_warning("{}: left by process {} on {}, which is gone; taken over", file.string(), owner.pid,
              owner.host);
}

// The open lock file, and an advisory lock against others that look at it in this moment. Where
// the file system has none, the file's contents alone must do.
FileDescriptor open_lock(const fs::path& file, int flags) {
  FileDescriptor opened(::open(file.c_str(), O_RDWR | O_CLOEXEC | flags, 0666));
  if (opened) ::flock(opened.get(), LOCK_EX);
  return opened;
}

std::string contents(const FileDescriptor& opened, const fs::path& file) {
  struct stat status {};
  require(::fstat(opened.get(), &status) == 0 && status.st_size <= 4096, ExitCode::config,
          file.string(), "is not a lock");
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  read_at(opened, std::as_writable_bytes(std::span(text)), 0, file);
  return text;
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  std::string text = name.data();
  for (char& letter : text) {
    if (!std::isalnum(static_cast<unsigned char>(letter)) && letter != '_') letter = '-';
  }
  return text;
}

RunFolderLock::RunFolderLock(const fs::path& folder) : file_(folder / "lock") {
  create_folder(folder);
  const FileDescriptor opened = open_lock(file_, O_CREAT);
  require(bool(opened), ExitCode::storage, file_.string(), "cannot open: {}", std::strerror(errno));
  const Owner self = this_process();
  if (const auto owner = parse_owner(contents(opened, file_), file_)) {
    require_gone(*owner, self, file_);
  }
  const std::string text = text_of(self);
  require(::ftruncate(opened.get(), 0) == 0 &&
              ::pwrite(opened.get(), text.data(), text.size(), 0) ==
                  static_cast<ssize_t>(text.size()) &&
              ::fsync(opened.get()) == 0,
          ExitCode::storage, file_.string(), "cannot write: {}", std::strerror(errno));
}

RunFolderLock::RunFolderLock(RunFolderLock&& other) noexcept
    : file_(std::exchange(other.file_, {})) {}

RunFolderLock::~RunFolderLock() {
  if (file_.empty()) return;
  try {
    const FileDescriptor opened = open_lock(file_, 0);
    if (!opened || contents(opened, file_) != text_of(this_process())) return;  // not ours any more
    require(::ftruncate(opened.get(), 0) == 0, ExitCode::storage, file_.string(), "{}",
            std::strerror(errno));
  } catch (const std::exception& error) {
    log_warning("the run folder stays locked: {}", error.what());
  }
}

void write_status(const fs::path& folder, const RunStatus& status) {
  const json value{{"code", static_cast<int>(status.code)},
                   {"reason", status.reason},
                   {"step", status.step},
                   {"host", host_name()},
                   {"restart", status.restart}};
  write_file_atomically(folder / "status.json",
                        value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

}  // namespace convoy
