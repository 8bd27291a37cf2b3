// DType: the element types that tensors, shards and checkpoints may hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace convoy {

enum class DType : std::uint8_t { f32, bf16, u8, i32, i64, u64 };

constexpr std::size_t size_of(DType type) {
  switch (type) {
    case DType::u8:
      return 1;
    case DType::bf16:
      return 2;
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::i64:
    case DType::u64:
      return 8;
  }
  return 0;
}

constexpr std::string_view name_of(DType type) {
  constexpr std::string_view names[] = {"f32", "bf16", "u8", "i32", "i64", "u64"};
  return names[static_cast<int>(type)];
}

}  // namespace convoy
