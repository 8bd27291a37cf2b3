// Evaluation of a checkpoint by itself.
#include <memory>
#include <optional>

#include "ops/backend.h"
#include "trainer/checkpoint.h"
#include "trainer/network.h"
#include "trainer/session.h"
#include "trainer/setup.h"
#include "trainer/together.h"
#include "trainer/weights.h"

namespace convoy {
namespace {

LoadedCheckpoint find_checkpoint(const std::filesystem::path& source) {
  require(!std::filesystem::is_regular_file(source), ExitCode::usage, source.string(),
          "is a file, expected a run folder or a checkpoint's folder; of a configuration say which "
          "weights to evaluate");
  if (std::filesystem::exists(source / "manifest.json")) return load_checkpoint(source);
  std::optional<LoadedCheckpoint> newest = load_newest(source / "checkpoints");
  require(newest.has_value(), ExitCode::data, source.string(),
          "has no checkpoint, expected a run folder or a checkpoint's folder");
  return std::move(*newest);
}

// Weights, and the configuration that they belong to.
struct Subject {
  std::filesystem::path place;  // of the weights
  Config config;
  Safetensors weights;
  bool average = false;  // of the weights of a run
  std::uint64_t step = 0;
  std::vector<std::string> classes;  // of the training; none: not known
};

Subject from_checkpoint(const EvaluationRequest& request) {
  LoadedCheckpoint checkpoint = find_checkpoint(request.source);
  Progress& progress = checkpoint.progress;
  const bool average = request.ema && checkpoint.average;
  return {.place = checkpoint.folder,
          .config = parse_config(progress.config, checkpoint.folder.string() + "/progress.json",
                                 request.overrides),
          .weights = average ? std::move(*checkpoint.average) : std::move(checkpoint.model),
          .average = average,
          .step = progress.step,
          .classes = std::move(progress.classes)};
}

// Weights from elsewhere know nothing of how their images were prepared: the configuration must.
Subject from_file(const EvaluationRequest& request) {
  Subject subject{.place = request.weights,
                  .config = load_config(request.source, request.overrides),
                  .weights = Safetensors(request.weights)};
  const DataConfig& data = subject.config.data;
  require(!data.mean.empty() && !data.std.empty(), ExitCode::config, request.source.string(),
          "data.mean and data.std: missing, expected those that {} was trained with",
          request.weights.string());
  return subject;
}

}  // namespace

EvaluationReport evaluate(const EvaluationRequest& request, Communicator& communicator) {
  Config config;
  EvaluationReport report;
  std::optional<Dataset> dataset;
  std::unique_ptr<Backend> backend;
  std::optional<Network> network;
  std::optional<Parameters> parameters;
  std::optional<PreparedWeights> prepared;

  communicator.set_activity("opening data", 0);
  together(communicator, [&] {
    const Subject subject = request.weights.empty() ? from_checkpoint(request) : from_file(request);
    report.checkpoint = subject.place;
    report.step = subject.step;
    config = subject.config;
    if (!request.data.empty()) config.data.path = request.data;
    if (!request.split.empty()) config.data.validation = request.split;
    report.split = config.data.validation;
    require(!report.split.empty(), ExitCode::config, subject.place.string(),
            "was trained without a validation split: say which split to evaluate");

    dataset.emplace(config.data.path, report.split);
    require_labels(config.data.path, *dataset);
    report.class_names = dataset->class_names();
    const std::string split_place = config.data.path + ": " + report.split;
    if (!subject.classes.empty()) {
      require_same_classes(split_place, report.class_names, subject.classes);
    }
    if (config.model.classes == 0) config.model.classes = dataset->classes();
    require(dataset->classes() == config.model.classes, ExitCode::data, split_place,
            "has {} classes, expected the {} of the model", dataset->classes(),
            config.model.classes);
    for (std::uint64_t i = 0; request.guesses && i < dataset->size(); ++i) {
      report.sample_names.emplace_back(dataset->name(i));
    }
    backend = make_backend(config);
    const Pipeline pipeline = make_pipeline(config.data, config.data.evaluate);
    network.emplace(config.model, batch_shape(config.evaluation.batch, *dataset, pipeline),
                    *backend, PlanOptions{.mode = Mode::inference, .fuse = config.fuse});
    parameters.emplace(network->plan);
    report.ema = subject.average;
    import_parameters(subject.weights, *parameters);
    prepared.emplace(network->plan, *parameters);
  });

  constexpr int unlimited = 1 << 20;  // batches are dealt, not laned
  WorkerPool pool(choose_workers(communicator, request.threads, config.threads_per_lane, unlimited),
                  config.threads_per_lane);
  Evaluator evaluator({.communicator = communicator,
                       .pool = pool,
                       .dataset = *dataset,
                       .pipeline = make_pipeline(config.data, config.data.evaluate),
                       .plan = network->plan,
                       .parameters = *parameters,
                       .prepared = *prepared,
                       .loader_threads = pool.workers(),
                       .guesses = request.guesses});
  communicator.set_activity("evaluation", static_cast<long>(report.step));
  report.result = evaluator.run();
  return report;
}

}  // namespace convoy
