#include "data/bad_samples.h"

#include "ops/core/log.h"
#include "ops/core/random.h"

namespace convoy {

void BadSampleWatch::note(std::uint64_t index, std::uint32_t epoch, const Error& problem) {
  if (options_.policy == BadSamples::fail || problem.code() != ExitCode::data) throw problem;
  const std::lock_guard lock(mutex_);
  met_.insert(index);
  require(met_.size() <= static_cast<std::size_t>(options_.most), ExitCode::data,
          "data.max_bad_samples", "more than {} bad samples, the last of them {}", options_.most,
          problem.what());
  log_warning("epoch {}: bad sample {}: {} ({} so far)", epoch,
              options_.policy == BadSamples::skip ? "skipped" : "replaced", problem.what(),
              met_.size());
}

std::uint64_t BadSampleWatch::substitute(std::uint64_t index, std::uint32_t epoch,
                                         int attempts) const {
  Random random(options_.seed, RandomUse::substitute, dataset_.sample(index).id, epoch);
  for (int i = 0; i < attempts; ++i) random();
  return (std::uint64_t{random()} * dataset_.size()) >> 32;
}

}  // namespace convoy
