// Training: the loop over steps.
//
// A step, on every rank alike:
//   lanes      forward and backward of the rank's lanes; buckets of gradients leave as they fill
//   sum        over all lanes along the fixed tree, with the scalars that ride along
//   update     weights, optimizer state, running statistics and average in one pass, then the
//              prepared copies
// and between steps: reports, evaluations and checkpoints where they are due. Everything that ranks
// must decide alike is decided from the sums.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/reducer.h"
#include "data/loader.h"
#include "trainer/checkpoint.h"
#include "trainer/evaluation.h"
#include "trainer/lane_workers.h"
#include "trainer/metrics.h"
#include "trainer/optimizer.h"
#include "trainer/schedule.h"
#include "trainer/tracing.h"

namespace convoy {

struct TrainingOutcome {
  bool stopped = false;  // on request, before the last step; a checkpoint is written
  std::uint64_t steps = 0;
  std::optional<EvaluationResult> evaluation;  // the last one
};

class Training {
 public:
  struct Parts {
    const Config& config;
    const RunLength& length;
    Communicator& communicator;
    WorkerPool& pool;
    Parameters& parameters;
    PreparedWeights& prepared;
    Loader& loader;
    Reducer& reducer;
    LaneWorkers& lanes;
    Optimizer& optimizer;
    Parameters* average = nullptr;            // of weights, where one is kept
    Evaluator* evaluator = nullptr;           // none without a validation split
    Metrics* metrics = nullptr;               // rank 0 has these two
    CheckpointWriter* checkpoints = nullptr;  //
    std::function<bool(std::uint64_t step)> stop_requested;
  };
  // `progress`: where the run stands. The references must outlive this.
  Training(const Parts& parts, Progress progress);

  // To the last step, or to a stop. Collective. SharedError(internal) when the loss, a
  // weight, or the norm of a gradient to be clipped is not finite.
  TrainingOutcome run();
  std::uint64_t steps_done() const { return step_; }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Save { in_background, to_the_end };
  // One rank's seconds in the steps of an interval.
  struct RankTimes {
    double steps = 0;  // in all
    double exposed = 0;
    double communication = 0;
    LoaderTimes loader;
  };

  void train_step();
  void act_on(const LaneScalars& sums);
  [[noreturn]] void diverged(std::string_view what) const;
  void update(std::span<const float> gradient, double samples);
  void report_if_due();
  TrainingMetrics metrics_of(std::span<const RankTimes> ranks) const;
  void warn_of_slow_rank(std::span<const RankTimes> ranks) const;
  void evaluate_if_due();
  void evaluate();
  void save_if_due();
  void save(Save how);
  void finish();
  // A multiple of every `epochs` epochs was completed by the last step.
  bool epoch_due(int epochs) const;

  Parts parts_;
  std::optional<Tracing> tracing_;  // where a trace is asked for
  Progress progress_;
  Snapshot snapshot_;  // rank 0; its memory is used again
  const std::uint64_t resumed_step_;
  std::uint64_t step_;  // steps done
  bool stopped_ = false;
  double lr_ = 0;  // of the last step
  std::optional<std::uint64_t> saved_step_;
  std::optional<std::uint64_t> evaluated_step_;
  std::optional<EvaluationResult> evaluation_;

  Interval interval_;   // since the last report
  double seconds_ = 0;  // this rank's time in the steps of the interval
  double exposed_ = 0;
  double communication_ = 0;
};

}  // namespace convoy
