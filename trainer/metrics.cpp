#include "trainer/metrics.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "ops/core/check.h"
#include "ops/core/log.h"

namespace convoy {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto redraw_after = std::chrono::milliseconds(200);

double each_us(double seconds, std::uint64_t count) {
  return count == 0 ? 0 : 1e6 * seconds / static_cast<double>(count);
}

double late(const LoaderTimes& times) {
  return times.slots == 0 ? 0 : static_cast<double>(times.late) / static_cast<double>(times.slots);
}

}  // namespace

std::string clock_text(double seconds) {
  const auto whole = static_cast<long>(std::lround(std::max(seconds, 0.0)));
  const long hours = whole / 3600, minutes = whole / 60 % 60;
  return hours > 0 ? fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60)
                   : fmt::format("{}:{:02}", minutes, whole % 60);
}

Metrics::Metrics(const std::filesystem::path& folder, const RunLength& length, std::uint64_t step)
    : length_(length),
      path_(folder / "metrics.jsonl"),
      file_(path_, std::ios::app),
      events_(folder, step),
      terminal_(isatty(STDERR_FILENO) == 1),
      last_drawn_(Clock::now()) {
  require(file_.good(), ExitCode::storage, path_.string(), "cannot be opened for appending");
}

Metrics::~Metrics() {
  clear_live_line();
}

void Metrics::training(const TrainingMetrics& m) {
  const double epoch = length_.epochs(static_cast<double>(m.step));
  append(Json{{"kind", "train"},
              {"step", m.step},
              {"epoch", epoch},
              {"loss", m.loss},
              {"accuracy", m.accuracy},
              {"lr", m.lr},
              {"images_per_second", m.images_per_second},
              {"step_ms", m.step_ms},
              {"data_wait_ms", m.data_wait_ms},
              {"exposed_ms", m.exposed_ms},
              {"communication_ms", m.communication_ms},
              {"read_us", each_us(m.loader.read, m.loader.rows)},
              {"checksum_us", each_us(m.loader.checksum, m.loader.rows)},
              {"decode_us", each_us(m.loader.decode, m.loader.rows)},
              {"transform_us", each_us(m.loader.transform, m.loader.rows)},
              {"late", late(m.loader)}}
             .dump());
  events_.add(m.step, std::array{Scalar{"train/loss", m.loss}, Scalar{"train/accuracy", m.accuracy},
                                 Scalar{"train/lr", m.lr},
                                 Scalar{"train/images_per_second", m.images_per_second},
                                 Scalar{"train/data_wait_ms", m.data_wait_ms},
                                 Scalar{"train/exposed_ms", m.exposed_ms}});
  step_ms_ = m.step_ms;
  loader_.add(m.loader);
  total_ms_ += m.step_ms * static_cast<double>(m.steps);
  data_wait_ms_ += m.data_wait_ms * static_cast<double>(m.steps);
  clear_live_line();
  const double left = m.step_ms / 1000 * static_cast<double>(length_.steps - m.step);
  log_info(
      "step {:>6}/{}  epoch {:6.2f}  loss {:.4f}  accuracy {:6.2f}%  lr {:.5f}  {:.0f} images/s  "
      "data wait {:.1f} ms  communication wait {:.1f} ms  left {}",
      m.step, length_.steps, epoch, m.loss, 100 * m.accuracy, m.lr, m.images_per_second,
      m.data_wait_ms, m.exposed_ms, clock_text(left));
}

void Metrics::evaluation(std::uint64_t step, std::string_view split, const EvaluationResult& result,
                         double seconds) {
  const double epoch = length_.epochs(static_cast<double>(step));
  append(Json{{"kind", "evaluation"},
              {"step", step},
              {"epoch", epoch},
              {"split", split},
              {"samples", result.samples},
              {"loss", result.loss},
              {"top1", result.top1_share()},
              {"top5", result.top5_share()},
              {"seconds", seconds}}
             .dump());
  const std::string group = std::string(split) + "/";
  events_.add(step, std::array{Scalar{group + "loss", result.loss},
                               Scalar{group + "top1", result.top1_share()},
                               Scalar{group + "top5", result.top5_share()}});
  clear_live_line();
  log_info(
      "{} after epoch {:.2f}: loss {:.4f}  top-1 {:.2f}%  top-5 {:.2f}%  ({} samples, {:.1f} s)",
      split, epoch, result.loss, 100 * result.top1_share(), 100 * result.top5_share(),
      result.samples, seconds);
}

void Metrics::sum_up() const {
  if (total_ms_ == 0) return;
  const auto each = [&](double seconds) { return each_us(seconds, loader_.rows); };
  log_info(
      "data: training waited {:.2f} % of its time, for {} of {} micro-batches; an image took "
      "{:.0f} "
      "us of a loader thread: read {:.1f}, checksum {:.1f}, decode {:.1f}, transform {:.1f}",
      100 * data_wait_ms_ / total_ms_, loader_.late, loader_.slots, each(loader_.busy),
      each(loader_.read), each(loader_.checksum), each(loader_.decode), each(loader_.transform));
}

void Metrics::live(std::uint64_t step, const Interval& interval, double lr) {
  if (!terminal_ || interval.samples == 0) return;
  const Clock::time_point now = Clock::now();
  if (now - last_drawn_ < redraw_after) return;
  last_drawn_ = now;
  live_line_ = true;
  const double left = step_ms_ / 1000 * static_cast<double>(length_.steps - step);
  const std::string line =
      fmt::format("\r\x1b[Kstep {}/{}  epoch {:.2f}  loss {:.4f}  accuracy {:.2f}%  lr {:.5f}{}\r",
                  step, length_.steps, length_.epochs(static_cast<double>(step)),
                  interval.loss / interval.samples, 100 * interval.hits / interval.samples, lr,
                  step_ms_ > 0 ? "  left " + clock_text(left) : std::string());
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

void Metrics::append(const std::string& line) {
  file_ << line << '\n' << std::flush;
  require(file_.good(), ExitCode::storage, path_.string(), "cannot be written");
}

void Metrics::clear_live_line() {
  if (!live_line_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  live_line_ = false;
}

}  // namespace convoy
