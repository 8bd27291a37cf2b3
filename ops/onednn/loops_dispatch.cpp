// Which tables of loops this processor runs.
#include <oneapi/dnnl/dnnl.hpp>

#include "ops/onednn/row_loops.h"
#include "ops/onednn/winograd_loops.h"

namespace convoy::onednn {
namespace {

// The library's own choice decides, so that one setting (ONEDNN_MAX_CPU_ISA) caps both.
template <class Table>
const Table& choose(const Table& portable, const Table& avx2, const Table& avx512) {
  const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
  if (isa >= dnnl::cpu_isa::avx512_core) return avx512;
  return isa >= dnnl::cpu_isa::avx2 ? avx2 : portable;
}

}  // namespace

const Loops& best_loops() {
  static const Loops& best = choose(portable::loops, avx2::loops, avx512::loops);
  return best;
}

const RowLoops& best_row_loops() {
  static const RowLoops& best = choose(portable::row_loops, avx2::row_loops, avx512::row_loops);
  return best;
}

const WinogradLoops& best_winograd_loops() {
  static const WinogradLoops& best =
      choose(portable::winograd_loops, avx2::winograd_loops, avx512::winograd_loops);
  return best;
}

}  // namespace convoy::onednn
