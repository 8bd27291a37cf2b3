// Which table of loops this processor runs.
#include <oneapi/dnnl/dnnl.hpp>

#include "ops/onednn/loops.h"

namespace convoy::onednn {

// The library's own choice decides, so that one setting (ONEDNN_MAX_CPU_ISA) caps both.
const Loops& best_loops() {
  static const Loops& best = []() -> const Loops& {
    const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
    if (isa >= dnnl::cpu_isa::avx512_core) return loops_avx512;
    if (isa >= dnnl::cpu_isa::avx2) return loops_avx2;
    return loops_portable;
  }();
  return best;
}

}  // namespace convoy::onednn
