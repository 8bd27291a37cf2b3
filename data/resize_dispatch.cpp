// Which passes this processor can run.
#include "data/resize_kernels.h"

namespace convoy {

std::vector<const ResizeKernels*> resize_kernels() {
  std::vector<const ResizeKernels*> kernels{&resize_portable};
  if (__builtin_cpu_supports("avx2")) kernels.push_back(&resize_avx2);
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni")) {
    kernels.push_back(&resize_avx512);
  }
  return kernels;
}

const ResizeKernels& best_resize_kernels() {
  static const ResizeKernels& best = *resize_kernels().back();
  return best;
}

}  // namespace convoy
