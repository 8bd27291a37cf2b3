// The oneDNN backend.
#include <omp.h>

#include "ops/onednn/kernels.h"

namespace convoy {
namespace {

std::string_view isa_name(dnnl::cpu_isa isa) {
  if (isa >= dnnl::cpu_isa::avx512_core_bf16) return "avx512_core_bf16 or later";
  if (isa >= dnnl::cpu_isa::avx512_core) return "avx512_core";
  if (isa >= dnnl::cpu_isa::avx2) return "avx2";
  return "sse41";
}

class OnednnBackend : public Backend {
 public:
  OnednnBackend(int threads, Winograd winograd) : context_(threads, winograd) {}

  std::string name() const override {
    const dnnl_version_t* version = dnnl_version();
    return fmt::format("onednn {}.{}.{} {} threads {}{}", version->major, version->minor,
                       version->patch, isa_name(dnnl::get_effective_cpu_isa()), context_.threads(),
                       context_.winograd() == Winograd::never ? " no winograd" : "");
  }

  std::unique_ptr<Kernel> make(const Op& op, const KernelRequest& request) override {
    omp_set_num_threads(
        context_.threads());  // the library splits work by the number of threads that it sees here
    try {
      return std::visit([&](const auto& o) { return onednn::make_kernel(o, request, context_); },
                        op);
    } catch (const dnnl::error& error) {
      fail(ExitCode::config, request.place, "oneDNN cannot make this {}: {}", kind_of(op),
           error.what());
    }
  }

  std::unique_ptr<Kernel> make_reorder(const TensorDesc& from, const TensorDesc& to) override {
    omp_set_num_threads(context_.threads());
    return onednn::make_reorder_kernel(from, to, context_);
  }

  std::string layout_name(const TensorDesc& desc) const override {
    return desc.layout.plain() ? "plain" : onednn::format_of(context_.memory_desc(desc));
  }

 private:
  onednn::Context context_;
};

}  // namespace

std::unique_ptr<Backend> make_onednn_backend(int threads, Winograd winograd) {
  return std::make_unique<OnednnBackend>(threads, winograd);
}

}  // namespace convoy
