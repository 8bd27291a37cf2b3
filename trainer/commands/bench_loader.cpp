// convoy bench-loader: how fast images come, what holds them up, and a digest of the first batches.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iostream>
#include <string>

#include "cluster/environment.h"
#include "ops/core/log.h"
#include "trainer/batch_digest.h"
#include "trainer/commands/commands.h"
#include "trainer/setup.h"
#include "trainer/together.h"
#include "trainer/training_loader.h"

namespace convoy {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Of this process, now; 0 where the system does not tell.
double resident_mebibytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

struct Request {
  Config config;
  std::vector<int> threads;
  double seconds = 5;
  int epochs = 0;
  int digest_steps = 4;
  std::uint64_t from_step = 0;
};

// Of one number of threads, all ranks together.
struct Speed {
  int threads;
  double images_per_second;
  LoaderTimes times;
};

class LoaderBench {
 public:
  LoaderBench(const Request& request, Communicator& communicator)
      : request_(request),
        communicator_(communicator),
        lanes_(lanes_of(communicator.rank(), communicator.size(), request.config.batch.lanes)),
        slots_({lanes_}) {
    const Clock::time_point start = Clock::now();
    together(communicator, [&] {
      dataset_.emplace(request_.config.data.path, request_.config.data.train);
      complete(request_.config, *dataset_);
    });
    opened_ = seconds_since(start);
  }

  void run() {
    const Clock::time_point start = Clock::now();
    const auto first = loader(request_.threads.front(), request_.from_step, request_.from_step + 1);
    first->release(first->acquire(slots_.slot(request_.from_step, lanes_.begin)));
    const double seek = seconds_since(start);
    say(fmt::format("{}: {} images of {} classes, {:.1f} MiB, opened in {:.2f} s; {} ranks",
                    request_.config.data.path, dataset_->size(), dataset_->classes(),
                    static_cast<double>(dataset_->bytes()) / (1 << 20), opened_,
                    communicator_.size()));
    say(make_sampler(request_.config, *dataset_).describe());
    say(describe_memory(*first));
    say(fmt::format("first micro-batch of step {} after {:.1f} ms", request_.from_step,
                    1000 * seek));
    say(fmt::format("digest of steps {} to {}: {}", request_.from_step,
                    request_.from_step + request_.digest_steps - 1, digest()));
    say(fmt::format("\n{:>7} {:>10} {:>8}   {:>9} {:>9} {:>9} {:>9} {:>9}  {:>9}", "threads",
                    "images/s", "speed-up", "read", "checksum", "decode", "transform", "other",
                    "resident"));
    std::vector<Speed> speeds;
    for (const int threads : request_.threads) {
      speeds.push_back(measure(threads));
      say(describe(speeds.back(), speeds.front()));
    }
    say("        us of a thread per image, all ranks                                        MiB");
    say("\n" + bottleneck(speeds.front(), speeds.back()));
    if (request_.epochs > 0) run_epochs();
  }

 private:
  void say(const std::string& line) const {
    if (communicator_.rank() == 0) std::cout << line << std::endl;
  }

  std::unique_ptr<Loader> loader(int threads, std::uint64_t first_step,
                                 std::uint64_t end_step) const {
    std::unique_ptr<Loader> made;
    together(communicator_, [&] {
      made = make_training_loader({.config = request_.config,
                                   .dataset = *dataset_,
                                   .slots = slots_,
                                   .threads = threads,
                                   .first_step = first_step,
                                   .end_step = end_step});
    });
    return made;
  }

  std::string digest() const {
    const std::uint64_t end = request_.from_step + request_.digest_steps;
    const auto source = loader(request_.threads.back(), request_.from_step, end);
    return batch_digest(communicator_, {.source = *source,
                                        .slots = slots_,
                                        .lanes = lanes_,
                                        .all_lanes = request_.config.batch.lanes,
                                        .first_step = request_.from_step,
                                        .end_step = end});
  }

  // Takes all of a step's batches and gives them back at once.
  void drain(Loader& source, std::uint64_t step) const {
    for (int lane = lanes_.begin; lane < lanes_.end; ++lane) {
      source.release(source.acquire(slots_.slot(step, lane)));
    }
  }

  Speed measure(int threads) const {
    const auto source = loader(threads, request_.from_step, ~std::uint32_t{0});
    std::uint64_t step = request_.from_step;
    for (int i = 0; i < 2; ++i) drain(*source, step++);  // until the scratch has grown
    communicator_.barrier();
    source->take_times();
    const Clock::time_point start = Clock::now();
    do drain(*source, step++);
    while (seconds_since(start) < request_.seconds);
    const double seconds = seconds_since(start);
    LoaderTimes times = source->take_times();
    std::array<double, 7> sums{static_cast<double>(times.rows) / seconds,
                               static_cast<double>(times.rows),
                               times.read,
                               times.checksum,
                               times.decode,
                               times.transform,
                               times.busy};
    communicator_.all_reduce_sum(sums);
    return {threads,
            sums[0],
            {.read = sums[2],
             .checksum = sums[3],
             .decode = sums[4],
             .transform = sums[5],
             .busy = sums[6],
             .rows = static_cast<std::uint64_t>(sums[1])}};
  }

  static std::string describe(const Speed& speed, const Speed& first) {
    const LoaderTimes& t = speed.times;
    const double to_us = 1e6 / static_cast<double>(t.rows);
    const double other = t.busy - t.read - t.checksum - t.decode - t.transform;
    return fmt::format(
        "{:>7} {:>10.0f} {:>8.2f}   {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f}  {:>9.1f}",
        speed.threads, speed.images_per_second, speed.images_per_second / first.images_per_second,
        t.read * to_us, t.checksum * to_us, t.decode * to_us, t.transform * to_us,
        std::max(other, 0.0) * to_us, resident_mebibytes());
  }

  // What would have to become faster for more images.
  static std::string bottleneck(const Speed& one, const Speed& most) {
    const LoaderTimes& t = most.times;
    struct Stage {
      const char* name;
      double seconds;
      const char* advice;
    };
    constexpr double from_memory = 50e-6;  // longer reads of an image wait for storage
    const bool warm = t.read < from_memory * static_cast<double>(t.rows);
    const std::array<Stage, 4> stages{
        {{"read", t.read,
          warm ? "the images come from memory and are cheap to make: there is little to gain"
               : "storage is slower than a thread: more threads overlap it, `data.order: blocked` "
                 "reads in larger pieces"},
         {"checksum", t.checksum, "the images are large and cheap to decode"},
         {"decode", t.decode,
          "more threads, or smaller images (`convoy pack` can reduce them once and for all)"},
         {"transform", t.transform, "more threads, or fewer and cheaper transforms"}}};
    const Stage& slowest = *std::ranges::max_element(stages, {}, &Stage::seconds);
    std::string text = fmt::format("bottleneck: {}, {:.0f} % of a thread's time: {}", slowest.name,
                                   100 * slowest.seconds / t.busy, slowest.advice);
    const double scale = most.threads * one.images_per_second / one.threads;
    if (most.images_per_second < 0.75 * scale) {
      text +=
          fmt::format("\n{} threads are only {:.2f} times as fast as {}: they share cores",
                      most.threads, most.images_per_second / one.images_per_second, one.threads);
    }
    return text;
  }

  void run_epochs() const {
    const auto batch = static_cast<std::uint64_t>(request_.config.batch.global);
    const auto source = loader(request_.threads.back(), 0, ~std::uint32_t{0});
    std::uint64_t step = 0;
    for (int epoch = 1; epoch <= request_.epochs; ++epoch) {
      const Clock::time_point start = Clock::now();
      for (; step * batch < epoch * dataset_->size(); ++step) drain(*source, step);
      communicator_.barrier();
      say(fmt::format("epoch {}: {} samples in {:.1f} s, resident memory {:.1f} MiB", epoch,
                      dataset_->size(), seconds_since(start), resident_mebibytes()));
    }
  }

  Request request_;
  Communicator& communicator_;
  LaneRange lanes_;
  LaneSlots slots_;
  std::optional<Dataset> dataset_;
  double opened_ = 0;
};

// 1, 2, 4, ... and the cores that this rank has.
std::vector<int> thread_counts(int cores) {
  std::vector<int> counts;
  for (int threads = 1; threads < cores; threads *= 2) counts.push_back(threads);
  counts.push_back(cores);
  return counts;
}

}  // namespace

ExitCode bench_loader_command(const Arguments& arguments, Communicator& communicator) {
  std::string file;
  std::vector<std::string> overrides;
  Request request;
  Options options(
      "convoy bench-loader CONFIG [options]",
      "Loads a configuration's training images as training does, without training on\n"
      "them: images per second by number of loader threads, where the time goes, and a\n"
      "digest of the first batches, which is the same on any number of ranks and threads.");
  namespace po = boost::program_options;
  options.word("CONFIG", file, "YAML file")
      .add("set KEY=VALUE", po::value(&overrides),
           "override a setting, as in --set data.order=blocked; may be repeated")
      .add("threads N...", po::value(&request.threads)->multitoken(),
           "loader threads of each rank to try (default: 1, 2, 4, ... to its share of the cores)")
      .add("seconds S", option(request.seconds), "for each number of threads")
      .add("steps N", option(request.digest_steps), "batches in the digest")
      .add("from STEP", option(request.from_step), "the first step")
      .add("epochs N", option(request.epochs),
           "then go through so many epochs, with the resident memory after each");
  bool wanted = false;
  together(communicator, [&] {
    wanted = options.parse(arguments, communicator.rank() != 0);
    if (!wanted) return;
    request.config = load_config(file, overrides);
    for (const int threads : request.threads) {
      require(threads > 0, ExitCode::usage, "convoy bench-loader",
              "{} threads, expected at least 1", threads);
    }
    require(request.digest_steps > 0, ExitCode::usage, "convoy bench-loader",
            "{} steps, expected at least 1", request.digest_steps);
    require(request.seconds > 0, ExitCode::usage, "convoy bench-loader",
            "{} seconds, expected more than 0", request.seconds);
    require(request.epochs >= 0, ExitCode::usage, "convoy bench-loader",
            "{} epochs, expected at least 0", request.epochs);
    require(communicator.size() <= request.config.batch.lanes, ExitCode::config, "batch.lanes",
            "{} ranks, but only {} lanes to share", communicator.size(),
            request.config.batch.lanes);
  });
  if (!wanted) return ExitCode::done;
  if (request.threads.empty()) {
    request.threads = thread_counts(worker_threads(communicator, 0, 1 << 20));
  }
  LoaderBench(request, communicator).run();
  return ExitCode::done;
}

}  // namespace convoy
