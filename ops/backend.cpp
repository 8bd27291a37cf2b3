#include "ops/backend.h"

namespace convoy {

void Backend::reorder(const TensorDesc& from, const void* src, const TensorDesc& to, void* dst) {
  const std::unique_ptr<Kernel> kernel = make_reorder(from, to);
  KernelBuffers buffers;
  buffers.src[0] = static_cast<const std::byte*>(src);
  buffers.dst = static_cast<std::byte*>(dst);
  kernel->bind(buffers);
  kernel->forward({});
}

}  // namespace convoy
