// Shape: up to five extents, outermost first (N, C, H, W for images; OC, IC, KH, KW for convolution
// weights; G, OC/G, IC/G, KH, KW for grouped ones).
#pragma once

#include <fmt/format.h>

#include <array>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace convoy {

class Shape {
 public:
  static constexpr int max_rank = 5;

  constexpr Shape() = default;
  constexpr Shape(std::initializer_list<std::int64_t> extents) {
    assert(extents.size() <= max_rank);
    for (const std::int64_t extent : extents) extents_[rank_++] = extent;
  }
  explicit constexpr Shape(std::span<const std::int64_t> extents) {
    assert(extents.size() <= max_rank);
    for (const std::int64_t extent : extents) extents_[rank_++] = extent;
  }

  constexpr int rank() const { return rank_; }
  constexpr std::int64_t operator[](int axis) const { return extents_[axis]; }
  constexpr std::int64_t& operator[](int axis) { return extents_[axis]; }
  constexpr std::int64_t elements() const {
    std::int64_t product = 1;
    for (int i = 0; i < rank_; ++i) product *= extents_[i];
    return product;
  }
  constexpr const std::int64_t* begin() const { return extents_.data(); }
  constexpr const std::int64_t* end() const { return extents_.data() + rank_; }
  constexpr bool operator==(const Shape&) const = default;

  std::string text() const {
    std::string joined;
    for (const std::int64_t extent : *this) {
      if (!joined.empty()) joined += 'x';
      joined += std::to_string(extent);
    }
    return rank_ == 0 ? "scalar" : joined;
  }

 private:
  std::array<std::int64_t, max_rank> extents_{};
  int rank_ = 0;
};

}  // namespace convoy
