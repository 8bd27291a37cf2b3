#include "ops/core/arena.h"

#include <cstring>

namespace convoy {

Arena::Arena(std::size_t bytes, std::string_view what) : size_(align_up(bytes)) {
  if (size_ == 0) return;
  memory_ = Handle<FreePolicy>(std::aligned_alloc(arena_alignment, size_));
  require(bool(memory_), ExitCode::config, what,
          "needs {} bytes of memory, which this host cannot give; "
          "expected a smaller batch or fewer threads",
          size_);
  std::memset(memory_.get(), 0, size_);
}

}  // namespace convoy
