// The passes in plain C++.
#include "data/resize_kernels.h"

namespace convoy {
namespace {

template <int channels>
void narrow_rows(const PixelView& source, const ResizeTaps& columns, std::uint8_t* result,
                 std::ptrdiff_t result_stride) {
  for (int y = 0; y < source.height; ++y) {
    for (int i = 0; i < columns.size(); ++i) {
      narrow_pixel<channels>(source.at(y, 0), columns, i, result + y * result_stride);
    }
  }
}

void narrow(const PixelView& source, const ResizeTaps& columns, ResizeScratch&,
            std::uint8_t* result, std::ptrdiff_t result_stride) {
  const auto rows = source.channels == 3 ? narrow_rows<3> : narrow_rows<1>;
  rows(source, columns, result, result_stride);
}

void blend(const std::uint8_t* source, std::ptrdiff_t stride, const ResizeTaps& rows, int y,
           std::size_t bytes, std::uint8_t* result) {
  blend_bytes(source, stride, rows, y, 0, bytes, result);
}

}  // namespace

const ResizeKernels resize_portable{narrow, blend};

}  // namespace convoy
