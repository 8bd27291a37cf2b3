// Trained weights, and the configuration that they belong to: what evaluation and the computing of
// features begin with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "trainer/config.h"
#include "trainer/safetensors.h"

namespace convoy {

struct TrainedWeights {
  std::filesystem::path place;  // of the weights
  Config config;
  Safetensors weights;
  bool average = false;  // of the weights of a run
  std::uint64_t step = 0;
  std::vector<std::string> classes;  // of the training; none: not known
};

struct TrainedRequest {
  // A run folder (its newest whole checkpoint) or a checkpoint; or, with `weights`, a
  // configuration.
  std::filesystem::path source;
  // Safetensors files from anywhere, run folders, checkpoints. Files are of the source's model.
  std::vector<std::filesystem::path> weights;
  std::vector<std::string> overrides;  // of the configuration: "key.key=value"
  bool ema = true;                     // the average of the weights, if the checkpoint has one
};

// The source's, if it is no configuration, then those of `weights`; at least one.
std::vector<TrainedWeights> load_trained(const TrainedRequest& request);

}  // namespace convoy
