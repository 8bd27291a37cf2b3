// Trained weights, and the configuration that they belong to: what evaluation, prediction and the
// computing of features begin with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ops/executor.h"
#include "trainer/config.h"
#include "trainer/feature_origin.h"
#include "trainer/network.h"
#include "trainer/safetensors.h"

namespace convoy {

struct TrainedWeights {
  std::filesystem::path place;  // of the weights
  Config config;
  Safetensors weights;
  std::optional<Safetensors> head;  // of the layers behind features, in the place of those
  bool average = false;             // of the weights of a run
  std::uint64_t step = 0;
  std::vector<std::string> classes;  // of the training; none: not known
};

struct TrainedRequest {
  // A run folder (its newest whole checkpoint) or a checkpoint; or, with `weights`, a
  // configuration.
  std::filesystem::path source;
  // Safetensors files from anywhere, run folders, checkpoints. Files are of the source's model.
  std::vector<std::filesystem::path> weights;
  // "": none. A run on features, a checkpoint or a file of the layers behind them, for one network;
  // of a run the classes count too.
  std::filesystem::path head;
  std::vector<std::string> overrides;  // of the configuration: "key.key=value"
  bool ema = true;                     // the average of the weights, if the checkpoint has one
};

// The source's, if it is no configuration, then those of `weights`; at least one.
std::vector<TrainedWeights> load_trained(const TrainedRequest& request);

// The same for averaging what they make of samples. Error(config) unless they prepare those alike,
// and several end in softmax.
std::vector<TrainedWeights> load_to_average(const TrainedRequest& request);

// A network of inference that has weights.
struct TrainedNetwork {
  // `model` as `trained` has it, with its classes filled in. As of Network; Error as of
  // import_parameters().
  TrainedNetwork(const ModelConfig& model, const Shape& samples, Backend& backend, bool fuse,
                 const std::optional<FeatureOrigin>& origin, const TrainedWeights& trained);

  Network network;
  Parameters parameters;
  std::optional<PreparedWeights> prepared;  // not yet refreshed
};

}  // namespace convoy
