// Arena: one aligned host allocation, made once and touched at once, so that a step neither
// allocates nor faults.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <span>

#include "ops/core/check.h"
#include "ops/core/handle.h"

namespace convoy {

inline constexpr std::size_t arena_alignment = 64;  // one cache line, one AVX-512 register

constexpr std::size_t align_up(std::size_t bytes) {
  return (bytes + arena_alignment - 1) / arena_alignment * arena_alignment;
}

class Arena {
 public:
  Arena() = default;
  // Zero-filled. Error(config) if the memory cannot be had, naming `what`, the bytes and
  // what is available.
  explicit Arena(std::size_t bytes, std::string_view what = "arena");

  std::byte* data() const { return static_cast<std::byte*>(memory_.get()); }
  std::size_t size() const { return size_; }
  template <class T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data()), size_ / sizeof(T)};
  }

 private:
  struct FreePolicy {
    using type = void*;
    static type null() noexcept { return nullptr; }
    static void close(type memory) noexcept { std::free(memory); }
  };
  Handle<FreePolicy> memory_;
  std::size_t size_ = 0;
};

}  // namespace convoy
