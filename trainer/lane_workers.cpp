#include "trainer/lane_workers.h"

#include <cmath>
#include <cstring>

#include "trainer/scores.h"

namespace convoy {
namespace {

LaneScalars score(std::span<const float> losses, std::span<const float> logits,
                  std::span<const std::int32_t> labels, bool stop) {
  LaneScalars scalars;
  const std::size_t classes = logits.size() / labels.size();
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (labels[row] < 0) continue;
    scalars.samples += 1;
    scalars.loss += losses[row];
    scalars.hits += rank_of(logits.subspan(row * classes, classes), labels[row]) == 0;
  }
  scalars.non_finite = std::isfinite(scalars.loss) ? 0 : 1;
  scalars.stop = stop ? 1 : 0;
  return scalars;
}

}  // namespace

LaneWorkers::Worker::Worker(const Parts& parts, int number)
    : executor(parts.plan, parts.parameters, parts.prepared),
      lanes(parts.reducer.worker_lanes(number)),
      on_ready([this, &reducer = parts.reducer, number](std::size_t end) {
        reducer.ready(number, lane, end);
      }) {
  if (!parts.meeting) return;
  require(lanes.count() == 1, ExitCode::internal, "lanes",
          "{} on one worker, expected one on each to meet", lanes.count());
  sum_over_lanes = [this, meeting = parts.meeting](std::span<double> values) {
    meeting->sum(lane, values);
  };
}

LaneWorkers::LaneWorkers(const Parts& parts) : parts_(parts) {
  for (int number = 0; number < parts.pool.workers(); ++number) {
    workers_.push_back(std::make_unique<Worker>(parts_, number));
  }
}

void LaneWorkers::trace(std::span<Track> tracks) {
  for (std::size_t number = 0; number < workers_.size(); ++number) {
    workers_[number]->track = tracks.empty() ? nullptr : &tracks[number];
    workers_[number]->executor.trace(workers_[number]->track);
  }
}

void LaneWorkers::run(std::uint64_t step, bool stop) {
  parts_.pool.run([&](int number) {
    Worker& worker = *workers_[number];
    for (int lane = worker.lanes.begin; lane < worker.lanes.end; ++lane) {
      worker.lane = lane;
      try {
        run_lane(worker, number, step, stop);
      } catch (...) {
        if (parts_.meeting) parts_.meeting->interrupt(std::current_exception());
        throw;
      }
    }
  });
}

void LaneWorkers::run_lane(Worker& worker, int number, std::uint64_t step, bool stop) {
  const auto images_of_lane = [&] {
    const Traced traced(worker.track, "wait for images", "lane");
    return parts_.source.acquire(parts_.slots.slot(step, worker.lane));
  };
  const Batch batch = images_of_lane();
  float* gradients = parts_.reducer.lane_buffer(number, worker.lane).data();
  forward(worker, step, batch, gradients);
  const LaneScalars scalars =
      score(worker.executor.losses(), worker.executor.logits(), batch.labels, stop);
  std::memcpy(gradients, &scalars, sizeof scalars);
  {
    const Traced traced(worker.track, "backward", "lane");
    worker.executor.backward(1.0f / static_cast<float>(parts_.global_batch), gradients,
                             worker.on_ready);
  }
  parts_.source.release(batch);
}

void LaneWorkers::forward(Worker& worker, std::uint64_t step, const Batch& batch,
                          float* gradients) {
  const Traced traced(worker.track, "forward", "lane");
  const std::uint64_t rows = batch.labels.size();
  worker.executor.forward(
      {.images = batch.images.data(),
       .labels = batch.labels.data(),
       .soft_labels = batch.soft_labels.data(),
       .seed = parts_.seed,
       .position = step * parts_.global_batch + worker.lane * rows,
       .sum_over_lanes = worker.sum_over_lanes ? &worker.sum_over_lanes : nullptr},
      gradients);
}

}  // namespace convoy
