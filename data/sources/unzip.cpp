#include "data/sources/unzip.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "data/staging.h"
#include "ops/core/check.h"

namespace convoy {

Unzipped::Unzipped(std::filesystem::path path) : path_(std::move(path)) {
  file_ = Handle<GzPolicy>(::gzdopen(open_for_reading(path_).release(), "rb"));
  require(bool(file_), ExitCode::data, path_.string(), "cannot open: out of memory");
}

std::size_t Unzipped::read(std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const auto piece = static_cast<unsigned>(std::min<std::size_t>(into.size() - done, 1 << 20));
    const int got = ::gzread(file_.get(), into.data() + done, piece);
    int code = Z_OK;
    const char* reason = ::gzerror(file_.get(), &code);
    require(got >= 0 && code != Z_BUF_ERROR, ExitCode::data, path_.string(), "cannot unzip it: {}",
            reason);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

bool Unzipped::zipped() {
  return ::gzdirect(file_.get()) == 0;
}

FileDescriptor anonymous_file(const std::filesystem::path& folder) {
  const std::string suffix(staging_suffix);
  std::string path = (folder / ("unzipped.XXXXXX" + suffix)).string();
  FileDescriptor file(::mkostemps(path.data(), static_cast<int>(suffix.size()), O_CLOEXEC));
  require(bool(file), ExitCode::storage, folder.string(), "cannot create a file in it: {}",
          std::strerror(errno));
  ::unlink(path.c_str());
  return file;
}

}  // namespace convoy
