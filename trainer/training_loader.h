// The loader of a rank's lanes as training runs it: order, transforms, mixing, reading ahead, bad
// samples, all by the configuration.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "data/loader.h"
#include "trainer/config.h"
#include "trainer/sample_stream.h"

namespace convoy {

// In which order the run shows the samples of `dataset`.
Sampler make_sampler(const Config& config, const Dataset& dataset);

struct TrainingLoaderRequest {
  const Config& config;    // complete
  const Dataset& dataset;  // must outlive the loader
  LaneSlots slots;         // of this rank
  int threads = 1;
  std::uint64_t first_step = 0;
  std::uint64_t end_step = 0;
};
std::unique_ptr<Loader> make_training_loader(const TrainingLoaderRequest& request);

// "loader: 2 threads; the next 16 micro-batches in 77.1 MiB, scratch of at most 24.6 MiB".
std::string describe_memory(const Loader& loader);

// In evaluation no sample stands for another.
constexpr BadSamples for_evaluation(BadSamples policy) {
  return policy == BadSamples::fail ? BadSamples::fail : BadSamples::skip;
}

}  // namespace convoy
