// Metrics: what rank 0 tells about a run. One JSON object per line in metrics.jsonl:
//
//   {"kind": "train", "step", "epoch", "loss", "accuracy", "lr", "images_per_second", "step_ms",
//    "data_wait_ms", "exposed_ms", "communication_ms", "read_us", "checksum_us", "decode_us",
//    "transform_us", "late"}                                  means since the line before
//   {"kind": "evaluation", "step", "epoch", "split", "samples", "loss", "top1", "top5", "seconds"}
//
// Milliseconds are per step: of the slowest rank for the data wait, of the mean rank otherwise.
// Microseconds are of a loader thread, per image; "late" is the share of micro-batches that a
// worker had to wait for.
// After a resume, steps that had been lost appear again; the later line holds.
//
// The same for TensorBoard, "train/..." and by the split's name, in an event file of each start.
//
// On a terminal there is a live line between these, otherwise a plain line for each.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "data/loader_times.h"
#include "trainer/evaluation.h"
#include "trainer/event_file.h"
#include "trainer/schedule.h"

namespace convoy {

// Means over the steps of an interval.
struct TrainingMetrics {
  std::uint64_t step = 0;   // steps done,
  std::uint64_t steps = 0;  // in this interval
  double loss = 0;
  double accuracy = 0;
  double lr = 0;
  double images_per_second = 0;
  double step_ms = 0;
  double data_wait_ms = 0;
  double exposed_ms = 0;        // compute waited for communication
  double communication_ms = 0;  // the communication thread worked
  LoaderTimes loader;           // sums over the interval and all ranks
};

// Sums over the steps since the last report, of the whole group.
struct Interval {
  std::uint64_t steps = 0;
  double samples = 0;
  double loss = 0;
  double hits = 0;
};

class Metrics {
 public:
  // `folder` is the run folder, `step` where the run stands. Only rank 0 has one of these.
  Metrics(const std::filesystem::path& folder, const RunLength& length, std::uint64_t step);
  ~Metrics();

  void training(const TrainingMetrics& metrics);
  void evaluation(std::uint64_t step, std::string_view split, const EvaluationResult& result,
                  double seconds);
  // What loading took since the beginning.
  void sum_up() const;
  // Cheap; draws a few times a second, on a terminal alone.
  void live(std::uint64_t step, const Interval& interval, double lr);

 private:
  void append(const std::string& line);
  void clear_live_line();

  using Clock = std::chrono::steady_clock;
  RunLength length_;
  std::filesystem::path path_;
  std::ofstream file_;
  EventFile events_;
  bool terminal_;
  bool live_line_ = false;
  Clock::time_point last_drawn_;
  double step_ms_ = 0;  // of the last report, for the time left
  LoaderTimes loader_;  // of all reports
  double total_ms_ = 0;
  double data_wait_ms_ = 0;
};

// "3:07", "1:02:33".
std::string clock_text(double seconds);

}  // namespace convoy
