// The reference backend: the definition of every op, and the oracle of the tests of all others.
#include "ops/backend.h"

#include <cstring>

#include "ops/reference/kernels.h"

namespace convoy {
namespace {

// There is one layout, so a reorder is a copy.
class CopyKernel : public Kernel {
 public:
  explicit CopyKernel(const TensorDesc& desc) {
    spec_.src = {desc};
    spec_.dst = desc;
    spec_.algorithm = "copy";
  }
  void forward(const StepArgs&) override {
    std::memcpy(buffers_.dst, buffers_.src[0], spec_.dst.bytes);
  }
  void backward(const StepArgs&) override {
    if (!buffers_.diff_src[0]) return;
    std::memcpy(buffers_.diff_src[0], buffers_.diff_dst[0], spec_.dst.bytes);
  }
};

class ReferenceBackend : public Backend {
 public:
  std::string name() const override { return "reference"; }

  std::unique_ptr<Kernel> make(const Op& op, const KernelRequest& request) override {
    return std::visit([&](const auto& o) { return reference::make_kernel(o, request); }, op);
  }

  std::unique_ptr<Kernel> make_reorder(const TensorDesc& from, const TensorDesc& to) override {
    require(from == to && from.layout.plain(), ExitCode::internal, "reference",
            "reorder of {} {} to {} {}, expected one row-major tensor", name_of(from.dtype),
            from.shape.text(), name_of(to.dtype), to.shape.text());
    return std::make_unique<CopyKernel>(from);
  }

  std::string layout_name(const TensorDesc&) const override { return "plain"; }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() {
  return std::make_unique<ReferenceBackend>();
}

}  // namespace convoy
