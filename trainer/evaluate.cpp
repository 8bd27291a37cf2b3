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
  if (std::filesystem::exists(source / "manifest.json")) return load_checkpoint(source);
  std::optional<LoadedCheckpoint> newest = load_newest(source / "checkpoints");
  require(newest.has_value(), ExitCode::data, source.string(),
          "has no checkpoint, expected a run folder or a checkpoint's folder");
  return std::move(*newest);
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
    const LoadedCheckpoint checkpoint = find_checkpoint(request.source);
    report.checkpoint = checkpoint.folder;
    report.step = checkpoint.progress.step;
    config =
        parse_config(checkpoint.progress.config, checkpoint.folder.string() + "/progress.json");
    if (!request.data.empty()) config.data.path = request.data;
    if (!request.split.empty()) config.data.validation = request.split;
    report.split = config.data.validation;
    require(!report.split.empty(), ExitCode::config, checkpoint.folder.string(),
            "was trained without a validation split: say which split to evaluate");

    dataset.emplace(config.data.path, report.split);
    report.class_names = dataset->class_names();
    require_same_classes(config.data.path + ": " + report.split, report.class_names,
                         checkpoint.progress.classes);
    backend = make_backend(config.backend, config.threads_per_lane);
    const Pipeline pipeline = make_pipeline(config.data, config.data.evaluate);
    network.emplace(config.model, batch_shape(config.evaluation.batch, *dataset, pipeline),
                    *backend, PlanOptions{.mode = Mode::inference});
    parameters.emplace(network->plan);
    report.ema = request.ema && checkpoint.average;
    import_parameters(report.ema ? *checkpoint.average : checkpoint.model, *parameters);
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
                       .loader_threads = pool.workers()});
  communicator.set_activity("evaluation", static_cast<long>(report.step));
  report.result = evaluator.run();
  return report;
}

}  // namespace convoy
