// The list of backends.
#include "ops/backend.h"
#include "ops/core/check.h"

namespace convoy {

std::unique_ptr<Backend> make_backend(std::string_view name, const BackendOptions& options) {
  if (name == "onednn") return make_onednn_backend(options);
  if (name == "reference") return make_reference_backend();
  fail(ExitCode::config, "backend", "'{}' is unknown, expected onednn or reference", name);
}

}  // namespace convoy
