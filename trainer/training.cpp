#include "trainer/training.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "ops/core/log.h"
#include "trainer/together.h"
#include "trainer/weights.h"

namespace convoy {
namespace {

LaneScalars head_of(std::span<const float> sum) {
  std::array<float, head_floats> head;
  std::copy_n(sum.begin(), head_floats, head.begin());
  return std::bit_cast<LaneScalars>(head);
}

}  // namespace

Training::Training(const Parts& parts, Progress progress)
    : parts_(parts),
      progress_(std::move(progress)),
      resumed_step_(progress_.step),
      step_(resumed_step_) {
  if (parts_.config.trace.steps == 0) return;
  tracing_.emplace(Tracing::Parts{.config = parts_.config.trace,
                                  .communicator = parts_.communicator,
                                  .lanes = parts_.lanes,
                                  .reducer = parts_.reducer,
                                  .loader = parts_.loader,
                                  .workers = parts_.pool.workers(),
                                  .folder = parts_.config.run_folder});
}

TrainingOutcome Training::run() {
  parts_.loader.take_times();
  while (step_ < parts_.length.steps && !stopped_) {
    if (tracing_) tracing_->before(step_);
    train_step();
    report_if_due();
    evaluate_if_due();
    save_if_due();
  }
  if (tracing_) tracing_->finish();
  finish();
  return {stopped_, step_, evaluation_};
}

void Training::train_step() {
  const Clock::time_point start = Clock::now();
  parts_.communicator.set_activity("training", static_cast<long>(step_));
  lr_ = parts_.config.optimizer.lr * rate_factor(parts_.config.schedule, parts_.length, step_);

  parts_.lanes.run(step_, parts_.stop_requested && parts_.stop_requested(step_));
  Track* const track = tracing_ ? tracing_->main() : nullptr;
  const auto sum_of_lanes = [&] {
    const Traced traced(track, "wait for sums", "step");
    return parts_.reducer.wait();
  };
  const std::span<const float> sum = sum_of_lanes();
  const LaneScalars sums = head_of(sum);
  act_on(sums);
  {
    const Traced traced(track, "update", "step");
    update(sum, sums.samples);
  }
  ++step_;

  const ReduceTimes times = parts_.reducer.times();
  exposed_ += times.exposed;
  communication_ += times.busy;
  seconds_ += std::chrono::duration<double>(Clock::now() - start).count();
}

void Training::diverged(std::string_view what) const {
  throw SharedError(
      ExitCode::internal, fmt::format("step {}", step_),
      fmt::format("{} (learning rate {}); the last checkpoint is untouched", what, lr_));
}

void Training::act_on(const LaneScalars& sums) {
  if (sums.non_finite > 0) {
    diverged(fmt::format("loss is not finite in {:.0f} of {} lanes", sums.non_finite,
                         parts_.config.batch.lanes));
  }
  if (sums.samples == 0) diverged("not one sample of the batch could be used");
  if (sums.stop > 0) stopped_ = true;
  interval_.steps += 1;
  interval_.samples += sums.samples;
  interval_.loss += sums.loss;
  interval_.hits += sums.hits;
}

// Lanes divide by the whole batch; rows that were skipped do not count.
void Training::update(std::span<const float> gradient, double samples) {
  const int workers = parts_.pool.workers();
  const OptimizerStep now{.number = step_,
                          .lr = lr_,
                          .weights = parts_.parameters.arena(),
                          .gradient = gradient,
                          .gradient_scale = parts_.config.batch.global / samples,
                          .average = parts_.average ? parts_.average->arena() : std::span<float>()};
  if (!parts_.optimizer.step(parts_.pool, now)) diverged("gradients or weights are not finite");
  parts_.pool.run([&](int worker) { parts_.prepared.refresh_trained(worker, workers); });
}

void Training::report_if_due() {
  const bool last = step_ == parts_.length.steps || stopped_;
  if (!last && step_ % parts_.config.log_every_steps != 0) {
    if (parts_.metrics) parts_.metrics->live(step_, interval_, lr_);
    return;
  }
  RankTimes mine{seconds_, exposed_, communication_, parts_.loader.take_times()};
  mine.loader.wait /= parts_.pool.workers();
  std::vector<RankTimes> all(parts_.communicator.size());
  parts_.communicator.all_gather(std::as_bytes(std::span(&mine, 1)),
                                 std::as_writable_bytes(std::span(all)));
  if (parts_.metrics) {
    parts_.metrics->training(metrics_of(all));
    warn_of_slow_rank(all);
  }
  interval_ = {};
  seconds_ = exposed_ = communication_ = 0;
}

TrainingMetrics Training::metrics_of(std::span<const RankTimes> ranks) const {
  RankTimes sum;
  double longest_wait = 0;
  for (const RankTimes& rank : ranks) {
    sum.steps += rank.steps;
    sum.exposed += rank.exposed;
    sum.communication += rank.communication;
    sum.loader.add(rank.loader);
    longest_wait = std::max(longest_wait, rank.loader.wait);
  }
  const auto count = static_cast<double>(ranks.size());
  const double to_ms = 1000.0 / static_cast<double>(interval_.steps);
  return {.step = step_,
          .steps = interval_.steps,
          .loss = interval_.loss / interval_.samples,
          .accuracy = interval_.hits / interval_.samples,
          .lr = lr_,
          .images_per_second = interval_.samples / (sum.steps / count),
          .step_ms = sum.steps / count * to_ms,
          .data_wait_ms = longest_wait * to_ms,
          .exposed_ms = sum.exposed / count * to_ms,
          .communication_ms = sum.communication / count * to_ms,
          .loader = sum.loader};
}

// Synchronous steps go at the pace of the slowest rank, so it is worth a name.
void Training::warn_of_slow_rank(std::span<const RankTimes> ranks) const {
  constexpr double much_slower = 1.5;
  constexpr double seconds_that_matter = 1;
  std::vector<double> own;  // seconds outside communication
  for (const RankTimes& rank : ranks) own.push_back(rank.steps - rank.exposed);
  const auto slowest = std::ranges::max_element(own) - own.begin();
  std::vector<double> sorted = own;
  std::ranges::sort(sorted);
  const double median = sorted[(sorted.size() - 1) / 2];
  if (own[slowest] > much_slower * median && own[slowest] > seconds_that_matter) {
    log_warning("rank {} is slow: {:.1f} s outside communication in {} steps, others {:.1f} s",
                slowest, own[slowest], interval_.steps, median);
  }
}

bool Training::epoch_due(int epochs) const {
  if (epochs == 0) return false;
  const std::uint64_t before = parts_.length.whole_epochs(step_ - 1);
  const std::uint64_t now = parts_.length.whole_epochs(step_);
  return now / epochs > before / epochs;
}

void Training::evaluate_if_due() {
  if (!stopped_ && epoch_due(parts_.config.evaluation.every_epochs)) evaluate();
}

void Training::evaluate() {
  if (!parts_.evaluator || evaluated_step_ == step_) return;
  parts_.communicator.set_activity("evaluation", static_cast<long>(step_));
  const Clock::time_point start = Clock::now();
  evaluation_ = parts_.evaluator->run();
  evaluated_step_ = step_;
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  progress_.metrics["validation_loss"] = evaluation_->loss;
  progress_.metrics["top1"] = evaluation_->top1_share();
  double& best = progress_.metrics["best_top1"];
  best = std::max(best, evaluation_->top1_share());
  if (parts_.metrics) {
    parts_.metrics->evaluation(step_, parts_.config.data.validation, *evaluation_, seconds);
  }
}

void Training::save_if_due() {
  const CheckpointConfig& config = parts_.config.checkpoint;
  const bool by_steps =
      config.every_steps > 0 && step_ % static_cast<std::uint64_t>(config.every_steps) == 0;
  if (by_steps || epoch_due(config.every_epochs)) save(Save::in_background);
}

void Training::save(Save how) {
  if (!parts_.checkpoints) return;
  parts_.communicator.set_activity("checkpoint", static_cast<long>(step_));
  progress_.step = step_;
  progress_.position = step_ * parts_.length.global_batch;
  snapshot_.progress = progress_;
  export_parameters(parts_.parameters, static_cast<std::int64_t>(step_), snapshot_.model);
  for (const Optimizer::State& state : parts_.optimizer.states()) {
    export_arena(parts_.parameters, state.values, state.prefix, Holds::trained, snapshot_.state);
  }
  if (parts_.average) {
    export_parameters(*parts_.average, static_cast<std::int64_t>(step_), snapshot_.average);
  }
  const bool taken = parts_.checkpoints->save_async(
      snapshot_,
      how == Save::to_the_end ? CheckpointWriter::IfBusy::wait : CheckpointWriter::IfBusy::skip);
  if (taken) saved_step_ = step_;
}

void Training::finish() {
  if (!stopped_ || step_ == parts_.length.steps) {
    stopped_ = false;
    evaluate();
  }
  by_root(parts_.communicator, [&] {
    if (step_ == resumed_step_) return;
    parts_.metrics->sum_up();
    if (saved_step_ != step_) save(Save::to_the_end);
    if (!parts_.checkpoints->wait()) save(Save::to_the_end);  // once more: this one counts
    require(parts_.checkpoints->wait(), ExitCode::storage, "checkpoint", "step {}: {}", step_,
            parts_.checkpoints->last_error());
  });
}

}  // namespace convoy
