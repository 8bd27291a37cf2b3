// Pooling that the library has none for: norms of windows, and means of windows of uneven sizes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ops/backend.h"

namespace convoy::onednn {

// Pixels begin to end of an axis; `counted` of them (those in the padding included) divide a mean.
struct AxisWindow {
  std::int64_t begin, end, counted;
};

struct Windows {
  bool norm;  // root of the sum of squares; otherwise the mean
  std::vector<AxisWindow> rows, columns;
};

Windows windows_of(const Pool& op, const Shape& src, const Shape& dst);
Windows windows_of(const AdaptivePool& op, const Shape& src);

// In row-major order.
std::unique_ptr<Kernel> make_window_pool(Windows windows, const KernelRequest& request);

}  // namespace convoy::onednn
