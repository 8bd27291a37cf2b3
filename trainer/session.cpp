#include "trainer/session.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>

#include "cluster/agreement.h"
#include "ops/backend.h"
#include "ops/core/file.h"
#include "ops/core/log.h"
#include "trainer/first_weights.h"
#include "trainer/nearest.h"
#include "trainer/network.h"
#include "trainer/precision.h"
#include "trainer/run_folder.h"
#include "trainer/setup.h"
#include "trainer/together.h"
#include "trainer/training_loader.h"
#include "trainer/weights.h"

namespace convoy {
namespace {

// A run on this rank, put together step by step.
class Session {
 public:
  Session(const Config& config, Communicator& communicator, const TrainingHooks& hooks)
      : config_(config), hooks_(hooks), communicator_(communicator) {
    communicator_.set_deadline(
        std::chrono::milliseconds(static_cast<std::int64_t>(config.deadline_seconds * 1000)));
  }
  ~Session() {
    if (lock_) set_log_file({});
  }
  Session(const Session&) = delete;

  // run_(), with the end written to status.json.
  TrainingOutcome run();

 private:
  TrainingOutcome run_to_end();
  void claim_folder();
  void open_data();
  void decide_precision();
  void build_network();
  void agree();
  void resume();
  void restore(const LoadedCheckpoint& checkpoint);
  Shape micro_batch() const;
  std::size_t longest_meeting() const;
  void start_workers();
  void introduce() const;
  void note_end(ExitCode code, const std::string& reason) const;
  const Parameters& weights_to_evaluate() const { return average_ ? *average_ : *parameters_; }
  bool root() const { return communicator_.rank() == 0; }
  std::filesystem::path folder() const { return config_.run_folder; }

  Config config_;
  const TrainingHooks& hooks_;
  Communicator& communicator_;

  std::optional<RunFolderLock> lock_;  // rank 0
  bool folder_is_ours_ = false;
  std::optional<Dataset> train_data_;
  std::optional<Dataset> validation_data_;
  std::optional<FeatureOrigin> origin_;  // of what the data sets hold, where that is features
  RunLength length_;

  std::unique_ptr<Backend> backend_;
  std::optional<Network> network_;
  std::optional<Parameters> parameters_;
  std::optional<PreparedWeights> prepared_;
  std::optional<Network> evaluation_network_;
  std::optional<PreparedWeights> evaluation_prepared_;
  std::optional<Optimizer> optimizer_;
  std::optional<Parameters> average_;  // of weights and statistics, where one is kept
  Progress progress_;

  std::optional<WorkerPool> pool_;
  std::optional<Reducer> reducer_;
  std::unique_ptr<Communicator> meeting_communicator_;  // with the next: where lanes must meet
  std::optional<LaneMeeting> meeting_;
  std::optional<LaneSlots> slots_;
  std::unique_ptr<Loader> loader_;
  std::optional<LaneWorkers> lanes_;
  std::optional<Evaluator> evaluator_;
  std::optional<Metrics> metrics_;               // rank 0
  std::optional<CheckpointWriter> checkpoints_;  // rank 0
  std::optional<Training> training_;
};

TrainingOutcome Session::run() {
  try {
    const TrainingOutcome outcome = run_to_end();
    if (root()) {
      note_end(outcome.stopped ? ExitCode::stopped : ExitCode::done,
               outcome.stopped ? "stopped on request" : "done");
    }
    return outcome;
  } catch (const SharedError& error) {
    if (root()) note_end(error.code(), error.what());
    throw;
  } catch (const Error& error) {
    note_end(error.code(), error.what());
    throw;
  } catch (const std::exception& error) {
    note_end(ExitCode::internal, error.what());
    throw;
  }
}

TrainingOutcome Session::run_to_end() {
  claim_folder();
  open_data();
  decide_precision();
  build_network();
  agree();
  resume();
  start_workers();
  introduce();
  training_.emplace(Training::Parts{.config = config_,
                                    .length = length_,
                                    .communicator = communicator_,
                                    .pool = *pool_,
                                    .parameters = *parameters_,
                                    .prepared = *prepared_,
                                    .loader = *loader_,
                                    .reducer = *reducer_,
                                    .lanes = *lanes_,
                                    .optimizer = *optimizer_,
                                    .average = average_ ? &*average_ : nullptr,
                                    .evaluator = evaluator_ ? &*evaluator_ : nullptr,
                                    .metrics = metrics_ ? &*metrics_ : nullptr,
                                    .checkpoints = checkpoints_ ? &*checkpoints_ : nullptr,
                                    .stop_requested = hooks_.stop_requested},
                    progress_);
  return training_->run();
}

void Session::claim_folder() {
  together(communicator_, [&] {
    require(communicator_.size() <= config_.batch.lanes, ExitCode::config, "batch.lanes",
            "{} ranks, but only {} lanes to share: each rank needs at least one",
            communicator_.size(), config_.batch.lanes);
  });
  by_root(communicator_, [&] {
    lock_.emplace(folder());
    std::filesystem::remove(folder() / "status.json");
    set_log_file(folder() / "log.txt");
    clean_checkpoints(folder() / "checkpoints");
  });
  folder_is_ours_ = true;
}

void Session::open_data() {
  communicator_.set_activity("opening data", 0);
  together(communicator_, [&] {
    train_data_.emplace(config_.data.path, config_.data.train);
    require_labels(config_.data.path, *train_data_);
    origin_ = origin_of(*train_data_);
    complete(config_, *train_data_);
    length_ = RunLength::of(config_, train_data_->size());
    if (config_.data.validation.empty()) return;
    validation_data_.emplace(config_.data.path, config_.data.validation);
    require_labels(config_.data.path, *validation_data_);
    require_same_origin(*validation_data_, *train_data_);
    require_same_classes(config_.data.path + ": " + config_.data.validation,
                         validation_data_->class_names(), train_data_->class_names());
  });
}

// Where it is open: as the run began, or by measurement. All ranks meet here whatever their
// configurations say, which are compared later.
void Session::decide_precision() {
  communicator_.set_activity("choosing the precision", 0);
  Precision decided = Precision::fp32;
  by_root(communicator_, [&] {
    if (config_.precision) return;
    if (const auto begun = folder() / "config.yaml"; std::filesystem::exists(begun)) {
      decided = load_config(begun).precision.value_or(decided);
    } else if (!origin_) {
      decided = measure_precision(config_, micro_batch());
    }
  });
  communicator_.broadcast(std::as_writable_bytes(std::span(&decided, 1)), 0);
  if (!config_.precision) config_.precision = decided;
}

// What a lane trains on at a time.
Shape Session::micro_batch() const {
  return batch_shape(config_.batch.global / config_.batch.lanes, *train_data_,
                     make_pipeline(config_.data, config_.data.augment));
}

void Session::build_network() {
  communicator_.set_activity("planning", 0);
  const int lanes =
      lanes_of(communicator_.rank(), communicator_.size(), config_.batch.lanes).count();
  const int workers =
      config_.model.synchronised_norm
          ? lanes
          : choose_workers(communicator_, config_.threads, config_.threads_per_lane, lanes);
  pool_.emplace(workers, config_.threads_per_lane);
  together(communicator_, [&] {
    backend_ = make_backend(config_);
    network_.emplace(
        config_.model, micro_batch(), *backend_,
        PlanOptions{.fuse = config_.fuse, .recompute = config_.memory == MemoryUse::recompute},
        config_.freeze, origin_);
    parameters_.emplace(network_->plan);
    prepared_.emplace(network_->plan, *parameters_);
    optimizer_.emplace(config_.optimizer, network_->plan.parameters(),
                       network_->plan.gradient_floats(), config_.batch.lanes, config_.ema);
    if (config_.ema.decay > 0) average_.emplace(network_->plan);
    if (!validation_data_) return;
    const Pipeline plain = make_views(config_).front();
    evaluation_network_.emplace(
        config_.model, batch_shape(config_.evaluation.batch, *validation_data_, plain), *backend_,
        PlanOptions{.mode = Mode::inference, .fuse = config_.fuse, .adopt = &network_->plan},
        std::vector<std::string>(), origin_);
    evaluation_prepared_.emplace(evaluation_network_->plan, weights_to_evaluate());
  });
}

void Session::agree() {
  std::string data = train_data_->fingerprint();
  if (validation_data_) data += "\n" + validation_data_->fingerprint();
  const std::vector<Claim> claims = {
      {"configuration", to_yaml(config_)},
      {"versions", numerics_of(backend_->name(), config_)},
      {"data set", data},
      {"plan", network_->plan.describe()},
  };
  together(communicator_, [&] { check_agreement(communicator_, claims); });
}

// Rank 0 reads; the others receive its weights, be they first or restored ones.
void Session::resume() {
  progress_ = {.seed = config_.seed,
               .lanes = config_.batch.lanes,
               .global_batch = config_.batch.global,
               .model = to_text(config_.model),
               .dataset = train_data_->fingerprint(),
               .numerics = numerics_of(backend_->name(), config_),
               .config = to_yaml(config_),
               .classes = train_data_->class_names()};
  by_root(communicator_, [&] {
    if (const auto checkpoint = load_newest(folder() / "checkpoints")) {
      restore(*checkpoint);
    } else {
      make_first_weights(config_, *network_, *train_data_, *parameters_);
      if (average_) std::ranges::copy(parameters_->arena(), average_->arena().begin());
    }
    write_file_atomically(folder() / "config.yaml", progress_.config);
    metrics_.emplace(folder(), length_, progress_.step);
    checkpoints_.emplace(CheckpointWriter::Options{.folder = folder() / "checkpoints",
                                                   .keep = config_.checkpoint.keep});
  });
  communicator_.broadcast(std::as_writable_bytes(std::span(&progress_.step, 1)), 0);
  communicator_.broadcast(std::as_writable_bytes(parameters_->arena()), 0);
  for (const Optimizer::State& state : optimizer_->states()) {
    communicator_.broadcast(std::as_writable_bytes(state.values), 0);
  }
  if (average_) communicator_.broadcast(std::as_writable_bytes(average_->arena()), 0);
}

void Session::restore(const LoadedCheckpoint& checkpoint) {
  const Progress& found = checkpoint.progress;
  const auto same = [&](std::string_view what, const auto& in_checkpoint, const auto& configured) {
    require(in_checkpoint == configured, ExitCode::config, checkpoint.folder.string(),
            "is of a run with {} {}, but the configuration has {}: give the new run another name",
            what, in_checkpoint, configured);
  };
  same("model", found.model, progress_.model);
  same("data set", found.dataset, progress_.dataset);
  same("lanes", found.lanes, progress_.lanes);
  same("global batch", found.global_batch, progress_.global_batch);
  same("seed", found.seed, progress_.seed);
  const Config before = parse_config(found.config, checkpoint.folder.string());
  same("optimizer", to_text(before.optimizer.name), to_text(config_.optimizer.name));
  const auto patterns = [](const auto& list) { return list.empty() ? "none" : listed(list); };
  same("frozen parameters", patterns(before.freeze), patterns(config_.freeze));
  const auto on = [](bool kept) { return kept ? "on" : "off"; };
  same("ema", std::string_view(on(checkpoint.average.has_value())), on(average_.has_value()));
  if (found.numerics != progress_.numerics) {
    log_warning("{} was computed with [{}], this is [{}]: the last bits may differ",
                checkpoint.folder.string(), found.numerics, progress_.numerics);
  }
  import_parameters(checkpoint.model, *parameters_);
  for (const Optimizer::State& state : optimizer_->states()) {
    import_arena(checkpoint.state, *parameters_, state.prefix, Holds::trained, state.values);
  }
  if (average_) import_parameters(*checkpoint.average, *average_);
  progress_.step = found.step;
  progress_.position = found.position;
  progress_.restarts = found.restarts + 1;
  progress_.metrics = found.metrics;
  log_info("resumes at step {} of {} from {}", found.step, length_.steps,
           checkpoint.folder.string());
}

// A count and two sums for each channel of the widest batch norm.
std::size_t Session::longest_meeting() const {
  std::int64_t channels = 0;
  for (const Parameter& parameter : network_->graph.parameters()) {
    if (parameter.role == ParameterRole::scale) channels = std::max(channels, parameter.shape[0]);
  }
  return 1 + 2 * static_cast<std::size_t>(channels);
}

void Session::start_workers() {
  const int workers = pool_->workers();
  const int loader_threads =
      config_.data.loader_threads > 0 ? config_.data.loader_threads : workers;
  together(communicator_,
           [&] { pool_->run([&](int worker) { prepared_->refresh(worker, workers); }); });
  if (config_.model.synchronised_norm) meeting_communicator_ = communicator_.duplicate();
  reducer_.emplace(communicator_, config_.batch.lanes, workers, network_->plan.gradient_floats(),
                   cut_buckets(network_->plan.ready_offsets()));
  together(communicator_, [&] {
    std::vector<LaneRange> worker_lanes;
    for (int worker = 0; worker < workers; ++worker) {
      worker_lanes.push_back(reducer_->worker_lanes(worker));
    }
    slots_.emplace(worker_lanes);
    loader_ = make_training_loader({.config = config_,
                                    .dataset = *train_data_,
                                    .slots = *slots_,
                                    .threads = loader_threads,
                                    .first_step = progress_.step,
                                    .end_step = length_.steps});
    if (config_.model.synchronised_norm) {
      meeting_.emplace(*meeting_communicator_, config_.batch.lanes, longest_meeting());
    }
    lanes_.emplace(LaneWorkers::Parts{
        .pool = *pool_,
        .plan = network_->plan,
        .parameters = *parameters_,
        .prepared = *prepared_,
        .source = *loader_,
        .slots = *slots_,
        .reducer = *reducer_,
        .global_batch = config_.batch.global,
        .seed = config_.seed,
        .meeting = meeting_ ? &*meeting_ : nullptr,
    });
    if (!validation_data_) return;
    evaluator_.emplace(Evaluator::Parts{
        .communicator = communicator_,
        .pool = *pool_,
        .dataset = *validation_data_,
        .views = make_views(config_),
        .members = {{evaluation_network_->plan, weights_to_evaluate(), *evaluation_prepared_}},
        .loader_threads = loader_threads,
        .bad_samples = for_evaluation(config_.data.bad_samples),
        .most_bad_samples = config_.data.max_bad_samples,
    });
  });
}

void Session::introduce() const {
  std::int64_t weights = 0, frozen = 0;
  for (const PlacedParameter& parameter : network_->plan.parameters()) {
    if (is_statistic(parameter.role)) continue;
    weights += parameter.desc.shape.elements();
    if (parameter.frozen) frozen += parameter.desc.shape.elements();
  }
  log_info("{}: ranks {}, worker threads {} each; {}", config_.name, communicator_.size(),
           pool_->workers(), progress_.numerics);
  log_info("{}: {} parameters, {} of them frozen; images {}, {} classes", config_.model.name,
           weights, frozen, network_->plan.images().text(), config_.model.classes);
  log_info("{}: {} images to train on, {} to evaluate", config_.data.path, train_data_->size(),
           validation_data_ ? validation_data_->size() : 0);
  log_info("{}", make_sampler(config_, *train_data_).describe());
  log_info("{}", describe_memory(*loader_));
  if (average_) log_info("evaluates the average of weights (ema.decay {})", config_.ema.decay);
  log_info("{} steps of {} samples ({} lanes), {:.2f} epochs; seed {}; run folder {}",
           length_.steps, config_.batch.global, config_.batch.lanes,
           length_.epochs(static_cast<double>(length_.steps)), config_.seed, config_.run_folder);
}

// The reason of the first failure stays: ranks that lost another one because of it say nothing.
void Session::note_end(ExitCode code, const std::string& reason) const {
  if (!folder_is_ours_) return;
  if (code == ExitCode::ranks && std::filesystem::exists(folder() / "status.json")) return;
  const char* slurm = std::getenv("SLURM_RESTART_COUNT");
  const std::uint64_t step = training_ ? training_->steps_done() : progress_.step;
  try {
    write_status(folder(), {.code = code,
                            .reason = reason,
                            .step = step,
                            .restart = slurm ? std::atoi(slurm) : progress_.restarts});
  } catch (const Error& error) {
    log_warning("{}", error.what());
  }
}

}  // namespace

TrainingOutcome train(const Config& config, Communicator& communicator,
                      const TrainingHooks& hooks) {
  return Session(config, communicator, hooks).run();
}

}  // namespace convoy
