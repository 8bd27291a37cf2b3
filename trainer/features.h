// Features: what a layer of a trained network makes of every image of a split, computed once and
// kept as a data set, on which the layers behind it can be trained or anything else be done.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "cluster/communicator.h"
#include "ops/core/shape.h"
#include "trainer/trained_weights.h"

namespace convoy {

struct FeatureRequest {
  TrainedRequest trained;        // which must mean one network
  std::string layer;             // "": what the last one with parameters reads, but no dropout
  std::string data;              // the images; "": as in training
  std::string split = "train";   // of both data sets
  std::filesystem::path output;  // folder of the data set to add the split to
  int threads = 0;               // worker threads per rank; 0: its share of the host's cores
};

struct FeatureReport {
  std::string layer;
  Shape shape;  // of one sample's features: [C, H, W] or [C]
  std::uint64_t samples = 0;
  std::uint64_t bytes = 0;
  int shards = 0;
  int found = 0;  // of them: whole since a run that was killed
};

// The samples keep their order, labels and names, and are prepared as for evaluation. The same
// bytes for any number of ranks and threads of machines with the same instruction set. A killed run
// leaves nothing under a final name, and its whole shards are not computed again. Error(data) for
// an image that cannot be used. Collective.
FeatureReport compute_features(const FeatureRequest& request, Communicator& communicator);

}  // namespace convoy
