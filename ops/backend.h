// Backend: makes kernels. `reference` is the definition of every op in plain loops; `onednn` is
// fast on CPUs.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ops/kernel.h"
#include "ops/op.h"

namespace convoy {

enum class Mode { training, inference };

// What the plan knows when it asks for a kernel.
struct KernelRequest {
  std::string_view place;  // the node's name, for errors
  Mode mode = Mode::training;
  std::span<const TensorDesc> src;  // as the producers offer them
  // Layouts of the masters where they are already decided (a second plan over the same parameters,
  // or weights read from a file); empty: the kernel chooses, by its weight gradient.
  std::span<const TensorDesc> parameters;
  bool source_gradient = true;      // false for the first layer: nobody wants its diff_src
  bool parameter_gradients = true;  // false where all parameters are frozen
};

class Backend {
 public:
  virtual ~Backend() = default;
  // With version and instruction set, as the agreement check compares it.
  virtual std::string name() const = 0;
  virtual std::unique_ptr<Kernel> make(const Op& op, const KernelRequest& request) = 0;
  // Copies one logical tensor from one layout to another; its backward copies gradients the other
  // way.
  virtual std::unique_ptr<Kernel> make_reorder(const TensorDesc& from, const TensorDesc& to) = 0;
  // Once, off the hot path.
  void reorder(const TensorDesc& from, const void* src, const TensorDesc& to, void* dst);
  virtual std::string layout_name(const TensorDesc& desc) const = 0;
};

// Convolutions by Winograd's algorithm: faster for many shapes, and rounded differently.
enum class Winograd {
  never,
  where_faster,
  wherever_possible,  // for tests and measurements
};

// What convolutions multiply in, where Winograd's algorithm does not run. Tensors, sums and results
// are float in any case.
enum class Precision {
  fp32,
  bf16,  // both factors rounded to 8 bits of mantissa, where that pays
};

struct BackendOptions {
  int threads = 1;  // OpenMP threads inside one kernel call (1 unless lanes are fewer than cores)
  Winograd winograd = Winograd::where_faster;
  Precision precision = Precision::fp32;
};

std::unique_ptr<Backend> make_reference_backend();
// Error(config) if this processor cannot multiply in the precision asked for.
std::unique_ptr<Backend> make_onednn_backend(const BackendOptions& options = {});
// "onednn" | "reference", which knows no options. Error(config) otherwise.
std::unique_ptr<Backend> make_backend(std::string_view name, const BackendOptions& options = {});

// Whether make_onednn_backend() takes it: bf16 wants the instructions of AVX512-BF16.
bool onednn_can_multiply_in(Precision precision);

}  // namespace convoy
