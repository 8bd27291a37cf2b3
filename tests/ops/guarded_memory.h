// GuardedMemory: named blocks in one arena with guard bytes between them, so that a kernel's write
// outside its tensors shows up.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "ops/core/arena.h"

namespace convoy::test {

class GuardedMemory {
 public:
  // Declares a block; returns its number. All declarations come before allocate().
  int add(std::string name, std::size_t bytes) {
    blocks_.push_back({std::move(name), end_, bytes});
    end_ += align_up(bytes) + guard_bytes;
    return static_cast<int>(blocks_.size()) - 1;
  }

  void allocate() {
    arena_ = Arena(end_, "guarded memory");
    std::memset(arena_.data(), guard, arena_.size());
  }

  std::span<std::byte> bytes(int block) const {
    return {arena_.data() + blocks_[block].offset, blocks_[block].bytes};
  }
  // From the arena's start, as gradient offsets are counted.
  std::size_t offset_in_floats(int block) const { return blocks_[block].offset / sizeof(float); }
  float* floats() const { return arena_.as<float>().data(); }

  // Fills a block with NaN, so that what is not written shows up in results.
  void poison(int block) const {
    const std::span<std::byte> b = bytes(block);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (std::size_t i = 0; i + sizeof nan <= b.size(); i += sizeof nan) {
      std::memcpy(b.data() + i, &nan, sizeof nan);
    }
  }
  // Fills a block with guard bytes: from now on nobody may write to it.
  void forbid(int block) { blocks_[block].forbidden = true; }

  // Names the first block that was written outside of, or though it was forbidden; "" if none.
  std::string trampled() const {
    std::size_t checked = 0;
    for (const Block& block : blocks_) {
      if (!is_guard(checked, block.offset)) return "before " + block.name;
      checked = block.offset + (block.forbidden ? 0 : block.bytes);
      if (!is_guard(checked, block.offset + align_up(block.bytes) + guard_bytes)) {
        return (block.forbidden ? "inside " : "behind ") + block.name;
      }
      checked = block.offset + align_up(block.bytes) + guard_bytes;
    }
    return "";
  }

 private:
  static constexpr std::size_t guard_bytes = 128;
  static constexpr int guard = 0xA5;
  struct Block {
    std::string name;
    std::size_t offset;
    std::size_t bytes;
    bool forbidden = false;
  };

  bool is_guard(std::size_t begin, std::size_t end) const {
    return std::all_of(arena_.data() + begin, arena_.data() + end,
                       [](std::byte b) { return b == std::byte{guard}; });
  }

  std::vector<Block> blocks_;
  std::size_t end_ = guard_bytes;
  Arena arena_;
};

}  // namespace convoy::test
