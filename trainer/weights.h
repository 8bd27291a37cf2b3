// Weights by name: between the master parameters and tensors in logical layout (OIHW, [out, in]),
// under torchvision's names.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/executor.h"
#include "trainer/checkpoint.h"
#include "trainer/safetensors.h"

namespace convoy {

// Every parameter and running statistic, and for each batch norm torchvision's
// "num_batches_tracked" (int64 scalar) = `batches`.
void export_parameters(const Parameters& parameters, std::int64_t batches, TensorMap& into);

// Another arena of the plan's geometry (momentum, average), as prefix + parameter name.
// Running statistics are left out unless `statistics`.
void export_arena(const Parameters& parameters, std::span<const float> arena,
                  std::string_view prefix, bool statistics, TensorMap& into);

// What an import does with tensors that do not fit. By default nothing is forgiven.
struct ImportOptions {
  // File names to leave out: those parameters keep their values. fnmatch(3) patterns: "fc.*".
  std::vector<std::string> skip;
  // From the file's name to ours. Empty: as they are.
  std::function<std::string(std::string_view)> rename;
};

// Fills the parameters from the tensors. Error(data), before anything is written, names in one line
// all that is missing, unexpected or of another shape or dtype. "num_batches_tracked" is ignored.
// Returns how many parameters were filled.
int import_parameters(const Safetensors& tensors, const ImportOptions& options,
                      Parameters& parameters);

// Likewise for another arena; always strict about the tensors under `prefix`, blind to others.
void import_arena(const Safetensors& tensors, const Parameters& parameters, std::string_view prefix,
                  bool statistics, std::span<float> arena);

}  // namespace convoy
