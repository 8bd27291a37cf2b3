// The words and options by which commands are told of trained networks.
#pragma once

#include <string>
#include <vector>

#include "trainer/commands/options.h"
#include "trainer/trained_weights.h"

namespace convoy {

class TrainedWords {
 public:
  // The first word: RUN_FOLDER, CHECKPOINT or CONFIG.
  void add_source(Options& options);
  // --weights, --head, --crops: of networks whose probabilities are averaged.
  void add_networks(Options& options);
  // --set, --no-ema.
  void add_settings(Options& options);

  // What they say, once parsed.
  TrainedRequest request() const;

 private:
  std::string source_, head_, crops_;
  std::vector<std::string> weights_, overrides_;
  bool raw_ = false;
};

}  // namespace convoy
