#include "trainer/first_weights.h"

#include <algorithm>
#include <span>
#include <vector>

#include "ops/core/check.h"
#include "ops/core/log.h"
#include "trainer/transfer.h"
#include "trainer/weights.h"
#include "trainer/whitening.h"

namespace convoy {
namespace {

bool is_convolution(const PlacedParameter& parameter) {
  return parameter.role == ParameterRole::weight && parameter.desc.shape.rank() == 4;
}

// Filter o of a convolution's weights [OC, IC, KH, KW] becomes the identity of channel o, for all o
// below IC (torch.nn.init.dirac_): 1 at the kernel's centre, 0 elsewhere. Further filters stay.
void set_identity(const Shape& shape, std::span<float> weights) {
  const std::int64_t inputs = shape[1], taps = shape[2] * shape[3];
  const std::int64_t centre = shape[2] / 2 * shape[3] + shape[3] / 2;
  for (std::int64_t o = 0; o < std::min(shape[0], inputs); ++o) {
    std::ranges::fill(weights.subspan(o * inputs * taps, inputs * taps), 0.0f);
    weights[(o * inputs + o) * taps + centre] = 1;
  }
}

void set_identities(const std::string& pattern, Parameters& parameters) {
  int found = 0;
  for (std::size_t i = 0; i < parameters.placed().size(); ++i) {
    const PlacedParameter& parameter = parameters.placed()[i];
    if (!is_convolution(parameter) || !matches(pattern, parameter.name)) continue;
    const int index = static_cast<int>(i);
    std::vector<float> weights(static_cast<std::size_t>(parameter.desc.shape.elements()));
    parameters.read(index, parameters.arena(), weights);
    set_identity(parameter.desc.shape, weights);
    parameters.write(index, parameters.arena(), weights);
    ++found;
  }
  require(found > 0, ExitCode::config, "init.identity",
          "'{}' fits no weights of a convolution of this model", pattern);
}

}  // namespace

void make_first_weights(const Config& config, const Network& network, const Dataset& train,
                        Parameters& parameters) {
  initialise(network, config.seed, parameters);
  for (const std::string& pattern : config.init.identity) set_identities(pattern, parameters);
  if (const std::string& layer = config.init.whiten; !layer.empty()) {
    whiten(layer, config, network, train, parameters);
    log_info("{} begins as a whitening of the training images' patches", layer);
  }
  if (!config.init.weights.empty()) take_weights(config.init, parameters);
}

}  // namespace convoy
