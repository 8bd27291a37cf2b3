// TensorDesc: what a block of memory holds. Layout: in which order.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/core/dtype.h"
#include "ops/core/shape.h"

namespace convoy {

// The order of elements in memory. 0 is row-major over the logical shape (NCHW, OIHW); every other
// number belongs to the backend that made it and means nothing elsewhere. Two tensors of one
// backend with equal shape and layout are element-wise compatible.
struct Layout {
  std::uint32_t id = 0;
  constexpr bool operator==(const Layout&) const = default;
  constexpr bool plain() const { return id == 0; }
};

struct TensorDesc {
  Shape shape;  // logical
  DType dtype = DType::f32;
  Layout layout;
  std::size_t bytes = 0;  // in that layout, its padding included

  bool operator==(const TensorDesc&) const = default;
};

// Row-major tensor of `shape`.
inline TensorDesc plain_desc(Shape shape, DType dtype = DType::f32) {
  const auto bytes = static_cast<std::size_t>(shape.elements()) * size_of(dtype);
  return {shape, dtype, Layout{}, bytes};
}

}  // namespace convoy
