// The journal of a survey.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "data/survey.h"
#include "ops/core/check.h"
#include "ops/core/checksum.h"

namespace convoy {
namespace {

// The whole rounds of a journal of this subject, and where they end; else {} and 0.
std::uint64_t read_rounds(std::string_view text, std::string_view start,
                          std::vector<std::string>& rounds) {
  if (!text.starts_with(start)) return 0;
  std::size_t at = start.size();
  while (true) {
    std::uint64_t bytes = 0;
    std::uint32_t crc = 0;
    const std::string_view rest = text.substr(at);
    if (rest.size() < sizeof(bytes) + sizeof(crc)) return at;
    std::memcpy(&bytes, rest.data(), sizeof(bytes));
    std::memcpy(&crc, rest.data() + sizeof(bytes), sizeof(crc));
    const std::string_view round = rest.substr(sizeof(bytes) + sizeof(crc));
    if (bytes > round.size()) return at;
    if (crc32c(std::as_bytes(std::span(round.substr(0, bytes)))) != crc) return at;
    rounds.emplace_back(round.substr(0, bytes));
    at += sizeof(bytes) + sizeof(crc) + bytes;
  }
}

}  // namespace

Journal::Journal(std::filesystem::path path, const std::string& subject) : path_(std::move(path)) {
  const std::string start = fmt::format("convoy-journal/1\n{}\n", subject);
  if (std::filesystem::exists(path_)) end_ = read_rounds(read_file(path_), start, rounds_);
  file_ = FileDescriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  require(bool(file_) && ::ftruncate(file_.get(), static_cast<off_t>(end_)) == 0, ExitCode::storage,
          path_.string(), "cannot write: {}", std::strerror(errno));
  if (end_ > 0) return;
  write_at(file_, std::as_bytes(std::span(start)), 0, path_);
  end_ = start.size();
}

void Journal::append(std::string_view round) {
  const std::uint64_t bytes = round.size();
  const std::uint32_t crc = crc32c(std::as_bytes(std::span(round)));
  std::string record(sizeof(bytes) + sizeof(crc), '\0');
  std::memcpy(record.data(), &bytes, sizeof(bytes));
  std::memcpy(record.data() + sizeof(bytes), &crc, sizeof(crc));
  record += round;
  write_at(file_, std::as_bytes(std::span(record)), end_, path_);
  end_ += record.size();
  require(::fdatasync(file_.get()) == 0, ExitCode::storage, path_.string(), "cannot fsync: {}",
          std::strerror(errno));
}

}  // namespace convoy
