// Weights by name: between arenas of a plan's geometry and tensors in logical layout (OIHW,
// [out, in]) under torchvision's names.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ops/executor.h"
#include "trainer/checkpoint.h"
#include "trainer/safetensors.h"

namespace convoy {

// fnmatch(3): "fc.*" matches "fc.weight".
bool matches(const std::string& pattern, const std::string& name);

// Every parameter and running statistic, and for each batch norm torchvision's
// "num_batches_tracked" (int64 scalar): `batches`.
void export_parameters(const Parameters& parameters, std::int64_t batches, TensorMap& into);

// What of a plan's parameters an arena holds.
enum class Holds {
  all,      // running statistics and what is frozen, too
  trained,  // what has a gradient: the optimizer's state
};

// Another arena of the plan's geometry as prefix + parameter name.
void export_arena(const Parameters& parameters, std::span<const float> arena,
                  std::string_view prefix, Holds holds, TensorMap& into);

// What an import forgives: by default nothing.
struct ImportOptions {
  // Parameters that keep their values, whatever the file has under their names: fnmatch(3)
  // patterns over our names, "fc.*". One that fits no parameter is an Error(config).
  std::vector<std::string> skip;
  // Beginnings of names in the file, and what they become; of those that fit, the first counts:
  // {"module.", ""}.
  std::vector<std::pair<std::string, std::string>> rename;
};

// Fills the parameters. Error(data), with nothing written, names in one line the tensors that are
// missing, unexpected, or of another shape or dtype, or the first value that is not finite;
// [O, C*H*W] of a linear layer is the same as [O, C, H, W] of a convolution. "num_batches_tracked"
// is ignored. Returns how many parameters were filled.
int import_parameters(const Safetensors& tensors, Parameters& parameters,
                      const ImportOptions& options = {});

// The same from two files: of what `head` has, from that, of all else from `weights`. `head` is of
// the layers behind features (trainer/features.h). Error(data) also if it is of no layer of this
// model.
int import_parameters(const Safetensors& weights, const Safetensors& head, Parameters& parameters,
                      ImportOptions options = {});

// Fills another arena of the plan's geometry from the tensors whose names begin with `prefix`;
// likewise strict about those, blind to all others.
void import_arena(const Safetensors& tensors, const Parameters& parameters, std::string_view prefix,
                  Holds holds, std::span<float> arena);

}  // namespace convoy
