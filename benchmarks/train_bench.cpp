// Images per second of the whole step: forward, backward, sum over lanes and ranks, update; or,
// with --inference, of the forward pass of the folded network. On images that are in memory
// already, or, with --data, as training loads them from shards. Prints one JSON line.
//
//   train_bench --model resnet20 --batch 128 --ranks 1 --threads 2 --seconds 4 [--data DIR]
//   mpirun -n 2 train_bench --model resnet20 --batch 128 --ranks 2 --threads 1 --seconds 4
//
// --profile adds where the time of a worker goes, by class of operator.
#include <fmt/format.h>
#include <sys/resource.h>

#include <boost/program_options.hpp>
#include <chrono>
#include <cstdio>
#include <optional>

#include "benchmarks/step_profile.h"
#include "cluster/reducer.h"
#include "data/loader.h"
#include "ops/backend.h"
#include "ops/core/random.h"
#include "trainer/lane_workers.h"
#include "trainer/network.h"
#include "trainer/optimizer.h"
#include "trainer/setup.h"

namespace convoy {
namespace {

struct BenchOptions {
  std::string model;
  int batch = 128;
  int ranks = 1;
  int threads = 1;
  double seconds = 4;
  bool inference = false;
  bool profile = false;
  bool bf16 = false;
  std::string data;
};

std::unique_ptr<Backend> backend_of(const BenchOptions& options) {
  return make_onednn_backend({.precision = options.bf16 ? Precision::bf16 : Precision::fp32});
}

// What a network is trained on: [C, H, W] and the number of classes.
struct Task {
  Shape image;
  int classes;
};

Task task_of(const std::string& model) {
  if (model == "lenet5") return {{1, 28, 28}, 10};
  for (const char* name : {"resnet8", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110",
                           "resnet9", "resnet18_cifar"}) {
    if (model == name) return {{3, 32, 32}, 10};
  }
  return {{3, 224, 224}, 1000};
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The most memory that this process ever had, in MiB.
double peak_mebibytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// One batch of noise for each lane of a rank, always the same.
class ResidentBatches : public BatchSource {
 public:
  ResidentBatches(const Shape& images, int lanes, int classes)
      : pixels_(images.elements()),
        images_(lanes * images.elements() * sizeof(float)),
        rows_(images[0]) {
    Random random(1, RandomUse::test, 0);
    for (float& pixel : images_.as<float>()) pixel = random.normal();
    for (int row = 0; row < lanes * rows_; ++row)
      labels_.push_back(static_cast<std::int32_t>(random.below(classes)));
  }
  Batch acquire(std::uint64_t slot) override {
    const std::uint64_t lane = slot % (labels_.size() / rows_);
    return {slot,
            images_.as<float>().subspan(lane * pixels_, pixels_),
            std::span(labels_).subspan(lane * rows_, rows_),
            {}};
  }
  void release(const Batch&) override {}
  double take_wait_seconds() override { return 0; }

 private:
  std::size_t pixels_;
  Arena images_;
  std::vector<std::int32_t> labels_;
  std::int64_t rows_;
};

// A training run without reports, evaluation and checkpoints.
class Bench {
 public:
  Bench(const BenchOptions& options, Communicator& communicator)
      : communicator_(communicator),
        lanes_(options.ranks * options.threads),
        rows_(options.batch / lanes_),
        batch_(options.batch),
        profile_(options.profile),
        backend_(backend_of(options)),
        pool_(options.threads, 1) {
    const Task task = task_of(options.model);
    ModelConfig model{.name = options.model, .classes = task.classes};
    Shape images{rows_, task.image[0], task.image[1], task.image[2]};
    if (!options.data.empty()) {
      dataset_.emplace(options.data, "train");
      model.classes = dataset_->classes();
      pipeline_ = {
          .transforms = {PadAndCrop{.size = static_cast<int>(dataset_->sample(0).width), .pad = 4},
                         HorizontalFlip{}},
          .channels = static_cast<int>(task.image[0])};
      images = batch_shape(rows_, *dataset_, pipeline_);
    }
    network_.emplace(model, images, *backend_);
    parameters_.emplace(network_->plan);
    prepared_.emplace(network_->plan, *parameters_);
    initialise(*network_, 1, *parameters_);
    optimizer_.emplace(OptimizerConfig{.momentum = 0.9f, .weight_decay = 1e-4f},
                       network_->plan.parameters(), network_->plan.gradient_floats(), lanes_);
    prepared_->refresh();
    reducer_.emplace(communicator, lanes_, options.threads, network_->plan.gradient_floats(),
                     cut_buckets(network_->plan.ready_offsets()));
    std::vector<LaneRange> worker_lanes;
    for (int worker = 0; worker < options.threads; ++worker)
      worker_lanes.push_back(reducer_->worker_lanes(worker));
    slots_.emplace(worker_lanes);
    make_source(images, options.threads, model.classes);
    workers_.emplace(LaneWorkers::Parts{.pool = pool_,
                                        .plan = network_->plan,
                                        .parameters = *parameters_,
                                        .prepared = *prepared_,
                                        .source = *source_,
                                        .slots = *slots_,
                                        .reducer = *reducer_,
                                        .global_batch = batch_,
                                        .seed = 1});
  }

  std::string run(double seconds) {
    constexpr int warm_up = 3;
    for (int i = 0; i < warm_up; ++i) step();
    StepSeconds kernels;
    if (profile_) workers_->executor(0).time_steps(&kernels);
    source_->take_wait_seconds();
    exposed_ = 0;
    int steps = 0;
    const auto start = std::chrono::steady_clock::now();
    double elapsed[1] = {0};
    // In rounds, so that all ranks agree when the time is up.
    const int round = seconds < 1 ? 1 : 2;
    while (elapsed[0] < seconds) {
      for (int i = 0; i < round; ++i) step();
      steps += round;
      elapsed[0] = seconds_since(start);
      communicator_.all_reduce_max(elapsed);
    }
    const double to_ms = 1000.0 / steps;
    return fmt::format(
        R"({{"images_per_second": {:.1f}, "step_ms": {:.3f}, "data_wait_ms": {:.3f}, "communication_exposed_ms": {:.3f}, "peak_mib": {:.0f}{}}})",
        steps * batch_ / elapsed[0], elapsed[0] * to_ms,
        source_->take_wait_seconds() / pool_.workers() * to_ms, exposed_ * to_ms, peak_mebibytes(),
        profile_ ? ", \"profile\": " + profile_json(network_->plan, kernels, steps) : "");
  }

 private:
  void make_source(const Shape& images, int threads, int classes) {
    if (!dataset_) {
      source_ = std::make_unique<ResidentBatches>(images, reducer_->rank_lanes().count(), classes);
      return;
    }
    const SampleStream stream(Sampler(dataset_->size(), 1, Order::full), batch_, lanes_);
    source_ = std::make_unique<Loader>(
        *dataset_, pipeline_,
        LoaderOptions{
            .threads = threads, .rows = rows_, .ahead = 2 * slots_->per_step(), .seed = 1},
        [stream, slots = *slots_](std::uint64_t slot, int row) {
          return stream.at(slots.step(slot), slots.lane(slot), row);
        });
  }

  void step() {
    workers_->run(step_++, false);
    const std::span<const float> sum = reducer_->wait();
    exposed_ += reducer_->times().exposed;
    const bool done = optimizer_->step(
        pool_, {.number = step_, .lr = 1e-3, .weights = parameters_->arena(), .gradient = sum});
    require(done, ExitCode::internal, "train_bench", "the gradient is not finite");
    pool_.run([&](int worker) { prepared_->refresh_trained(worker, pool_.workers()); });
  }

  Communicator& communicator_;
  int lanes_;
  int rows_;
  int batch_;
  bool profile_;
  std::optional<Dataset> dataset_;
  Pipeline pipeline_;
  std::unique_ptr<Backend> backend_;
  WorkerPool pool_;
  std::optional<Network> network_;
  std::optional<Parameters> parameters_;
  std::optional<PreparedWeights> prepared_;
  std::optional<Optimizer> optimizer_;
  std::optional<Reducer> reducer_;
  std::optional<LaneSlots> slots_;
  std::unique_ptr<BatchSource> source_;
  std::optional<LaneWorkers> workers_;
  std::uint64_t step_ = 0;
  double exposed_ = 0;
};

// Forward passes of the folded network, a micro-batch per worker at a time.
class InferenceBench {
 public:
  explicit InferenceBench(const BenchOptions& options)
      : rows_(options.batch / options.threads),
        profile_(options.profile),
        task_(task_of(options.model)),
        backend_(backend_of(options)),
        pool_(options.threads, 1),
        network_({.name = options.model, .classes = task_.classes},
                 {rows_, task_.image[0], task_.image[1], task_.image[2]}, *backend_,
                 {.mode = Mode::inference}),
        parameters_(network_.plan),
        prepared_(network_.plan, parameters_),
        images_({rows_, task_.image[0], task_.image[1], task_.image[2]}, options.threads,
                task_.classes) {
    initialise(network_, 1, parameters_);
    prepared_.refresh();
    for (int worker = 0; worker < options.threads; ++worker) {
      executors_.push_back(std::make_unique<Executor>(network_.plan, parameters_, prepared_));
    }
  }

  std::string run(double seconds) {
    for (int i = 0; i < 3; ++i) forward();
    StepSeconds kernels;
    if (profile_) executors_[0]->time_steps(&kernels);
    int calls = 0;
    const auto start = std::chrono::steady_clock::now();
    for (; seconds_since(start) < seconds; ++calls) forward();
    const double elapsed = seconds_since(start);
    return fmt::format(
        R"({{"images_per_second": {:.1f}, "step_ms": {:.3f}, "peak_mib": {:.0f}{}}})",
        calls * rows_ * pool_.workers() / elapsed, elapsed / calls * 1e3, peak_mebibytes(),
        profile_ ? ", \"profile\": " + profile_json(network_.plan, kernels, calls) : "");
  }

 private:
  void forward() {
    pool_.run([&](int worker) {
      const Batch batch = images_.acquire(worker);
      executors_[worker]->forward({.images = batch.images.data(), .labels = batch.labels.data()});
    });
  }

  int rows_;
  bool profile_;
  Task task_;
  std::unique_ptr<Backend> backend_;
  WorkerPool pool_;
  Network network_;
  Parameters parameters_;
  PreparedWeights prepared_;
  ResidentBatches images_;
  std::vector<std::unique_ptr<Executor>> executors_;
};

BenchOptions parse(int argc, char** argv) {
  namespace po = boost::program_options;
  BenchOptions options;
  po::options_description description("train_bench");
  description.add_options()("model", po::value(&options.model)->required())(
      "batch", po::value(&options.batch))("ranks", po::value(&options.ranks))(
      "threads", po::value(&options.threads))("seconds", po::value(&options.seconds))(
      "data", po::value(&options.data))("inference", po::bool_switch(&options.inference))(
      "profile", po::bool_switch(&options.profile))("bf16", po::bool_switch(&options.bf16));
  po::variables_map values;
  po::store(po::parse_command_line(argc, argv, description), values);
  po::notify(values);
  return options;
}

int run(const BenchOptions& options) {
  std::optional<MpiSession> mpi;
  if (options.ranks > 1) mpi.emplace();
  const auto communicator = mpi ? mpi->world() : make_single_communicator();
  require(communicator->size() == options.ranks, ExitCode::usage, "train_bench",
          "runs on {} ranks, --ranks says {}", communicator->size(), options.ranks);
  require(options.batch % (options.ranks * options.threads) == 0, ExitCode::usage, "train_bench",
          "{} ranks x {} threads do not divide a batch of {}", options.ranks, options.threads,
          options.batch);
  require(!options.inference || options.ranks == 1, ExitCode::usage, "train_bench",
          "--inference runs on one rank, --ranks says {}", options.ranks);
  const std::string line = options.inference ? InferenceBench(options).run(options.seconds)
                                             : Bench(options, *communicator).run(options.seconds);
  if (communicator->rank() == 0) fmt::print("{}\n", line);
  return 0;
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  try {
    return convoy::run(convoy::parse(argc, argv));
  } catch (const std::exception& error) {
    fmt::print(stderr, "train_bench: {}\n", error.what());
    return 1;
  }
}
