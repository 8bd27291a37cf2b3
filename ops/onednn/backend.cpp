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
  explicit OnednnBackend(const BackendOptions& options) : context_(options) {}

  std::string name() const override {
    const dnnl_version_t* version = dnnl_version();
    return fmt::format("onednn {}.{}.{} {} threads {}{}{}", version->major, version->minor,
                       version->patch, isa_name(dnnl::get_effective_cpu_isa()), context_.threads(),
                       context_.winograd() == Winograd::never ? " no winograd" : "",
                       context_.precision() == Precision::bf16 ? " bf16" : "");
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

bool onednn_can_multiply_in(Precision precision) {
  return precision == Precision::fp32 ||
         dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx512_core_bf16;
}

std::unique_ptr<Backend> make_onednn_backend(const BackendOptions& options) {
  require(onednn_can_multiply_in(options.precision), ExitCode::config, "precision",
          "bf16 wants a processor with AVX512-BF16, this one has {}: expected fp32",
          isa_name(dnnl::get_effective_cpu_isa()));
  return std::make_unique<OnednnBackend>(options);
}

}  // namespace convoy
