#include "ops/core/arena.h"

#include <sys/mman.h>

#include <cstring>

#include "ops/core/memory.h"

namespace convoy {
namespace {

// Below this nobody looks at what is left.
constexpr std::size_t large = std::size_t{64} << 20;
constexpr std::size_t huge_page = std::size_t{2} << 20;

// Memory of several huge pages begins on one and asks for them: passes over large tensors, and
// transforms that write far apart, spend a good part of their time on looking up small pages.
void* allocate(std::size_t bytes) {
  if (bytes < 2 * huge_page) return std::aligned_alloc(arena_alignment, bytes);
  void* memory = nullptr;
  if (posix_memalign(&memory, huge_page, bytes) != 0) return nullptr;
  madvise(memory, bytes / huge_page * huge_page, MADV_HUGEPAGE);  // or do without
  return memory;
}

}  // namespace

Arena::Arena(std::size_t bytes, std::string_view what) : size_(align_up(bytes)) {
  if (size_ == 0) return;
  // The kernel promises more than it has and kills who believes it; so ask first.
  const std::size_t available = size_ < large ? size_ : available_memory();
  if (size_ <= available) {
    memory_ = Handle<FreePolicy>(allocate(size_));
  }
  require(bool(memory_), ExitCode::config, what,
          "needs {} bytes of memory, {} are available; expected a smaller batch, fewer threads or "
          "recomputation",
          size_, available);
  std::memset(memory_.get(), 0, size_);
}

}  // namespace convoy
