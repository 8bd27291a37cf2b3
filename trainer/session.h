// Session: puts a run together from its configuration. The only place that names concrete backends
// and loaders; it is handed a communicator, so ranks may be processes or threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cluster/communicator.h"
#include "trainer/config.h"
#include "trainer/evaluation.h"
#include "trainer/trained_weights.h"
#include "trainer/training.h"

namespace convoy {

struct TrainingHooks {
  // Asked before each step; true on any rank stops all ranks after that step, with a checkpoint.
  std::function<bool(std::uint64_t step)> stop_requested;
};

// Trains in config.run_folder, from its newest whole checkpoint if there is one. Collective: every
// rank of `communicator` calls it with the same configuration. Errors in the set-up and decisions
// of all ranks are SharedErrors; status.json in the run folder says how it ended.
TrainingOutcome train(const Config& config, Communicator& communicator,
                      const TrainingHooks& hooks = {});

struct EvaluationRequest {
  TrainedRequest trained;  // all that they mean are averaged
  std::string data;        // "": as in training
  std::string split;       // "": the validation split of the training
  bool guesses = false;    // keep the best classes of every sample
  int threads = 0;         // worker threads per rank; 0: its share of the host's cores
};

struct EvaluationReport {
  struct Member {
    std::filesystem::path checkpoint;  // or file of weights
    bool ema = false;                  // the average was evaluated
    std::uint64_t step = 0;
  };
  std::vector<Member> members;  // whose probabilities are averaged where they are several
  int views = 1;                // of each sample, likewise
  std::string split;
  std::vector<std::string> class_names;
  std::vector<std::string> sample_names;  // of the split, if guesses are kept
  EvaluationResult result;
};

// Collective.
EvaluationReport evaluate(const EvaluationRequest& request, Communicator& communicator);

}  // namespace convoy
