// Evaluation of a checkpoint by itself.
#include <list>
#include <memory>
#include <optional>

#include "ops/backend.h"
#include "trainer/checkpoint.h"
#include "trainer/network.h"
#include "trainer/session.h"
#include "trainer/setup.h"
#include "trainer/together.h"
#include "trainer/training_loader.h"
#include "trainer/weights.h"

namespace convoy {
namespace {

// Weights, and the configuration that they belong to.
struct Subject {
  std::filesystem::path place;  // of the weights
  Config config;
  Safetensors weights;
  bool average = false;  // of the weights of a run
  std::uint64_t step = 0;
  std::vector<std::string> classes;  // of the training; none: not known
};

Subject from_checkpoint(const std::filesystem::path& source, const EvaluationRequest& request) {
  LoadedCheckpoint checkpoint = find_checkpoint(source);
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
Subject from_file(const std::filesystem::path& weights, const Config& config,
                  const std::filesystem::path& source) {
  Subject subject{.place = weights, .config = config, .weights = Safetensors(weights)};
  require(!config.data.mean.empty() && !config.data.std.empty(), ExitCode::config, source.string(),
          "data.mean and data.std: missing, expected those that {} was trained with",
          weights.string());
  return subject;
}

// How images are prepared, as text.
std::string preparation_of(const Config& config) {
  Config prepares;
  prepares.data.channels = config.data.channels;
  prepares.data.evaluate = config.data.evaluate;
  prepares.data.mean = config.data.mean;
  prepares.data.std = config.data.std;
  return to_yaml(prepares);
}

std::vector<Subject> subjects_of(const EvaluationRequest& request) {
  namespace fs = std::filesystem;
  const bool configured = fs::is_regular_file(request.source);
  require(!configured || !request.weights.empty(), ExitCode::usage, request.source.string(),
          "is a file, expected a run folder or a checkpoint's folder; of a configuration say which "
          "weights to evaluate");
  std::vector<Subject> subjects;
  Config config;
  if (configured) {
    config = load_config(request.source, request.overrides);
  } else {
    subjects.push_back(from_checkpoint(request.source, request));
    config = subjects.front().config;
  }
  for (const fs::path& weights : request.weights) {
    subjects.push_back(fs::is_directory(weights) ? from_checkpoint(weights, request)
                                                 : from_file(weights, config, request.source));
  }
  const Subject& first = subjects.front();
  for (const Subject& subject : subjects) {
    require(preparation_of(subject.config) == preparation_of(first.config), ExitCode::config,
            subject.place.string(), "prepares its images otherwise than {}: cannot be averaged",
            first.place.string());
    require(subjects.size() == 1 || subject.config.model.loss == LossKind::softmax,
            ExitCode::config, subject.place.string(),
            "has another loss than softmax: probabilities are averaged");
  }
  return subjects;
}

// A network with its weights, ready to be evaluated.
struct Judge {
  Judge(const ModelConfig& model, const Shape& images, Backend& backend, bool fuse,
        const Safetensors& weights)
      : network(model, images, backend, PlanOptions{.mode = Mode::inference, .fuse = fuse}),
        parameters(network.plan) {
    import_parameters(weights, parameters);
    prepared.emplace(network.plan, parameters);
  }
  Network network;
  Parameters parameters;
  std::optional<PreparedWeights> prepared;
};

// What all ranks put together alike.
struct Panel {
  Config config;  // of the first subject, with what was asked for instead
  std::optional<Dataset> dataset;
  std::unique_ptr<Backend> backend;
  std::vector<Pipeline> views;
  std::list<Judge> judges;
  EvaluationReport report;

  explicit Panel(const EvaluationRequest& request);

 private:
  void add(const Subject& subject);
};

Panel::Panel(const EvaluationRequest& request) {
  const std::vector<Subject> subjects = subjects_of(request);
  config = subjects.front().config;
  if (!request.data.empty()) config.data.path = request.data;
  if (!request.split.empty()) config.data.validation = request.split;
  report.split = config.data.validation;
  require(!report.split.empty(), ExitCode::config, subjects.front().place.string(),
          "was trained without a validation split: say which split to evaluate");

  dataset.emplace(config.data.path, report.split);
  require_labels(config.data.path, *dataset);
  report.class_names = dataset->class_names();
  for (std::uint64_t i = 0; request.guesses && i < dataset->size(); ++i) {
    report.sample_names.emplace_back(dataset->name(i));
  }
  backend = make_backend(config);
  views = make_views(config);
  report.views = static_cast<int>(views.size());
  for (const Subject& subject : subjects) add(subject);
}

void Panel::add(const Subject& subject) {
  const std::string split_place = config.data.path + ": " + report.split;
  if (!subject.classes.empty()) {
    require_same_classes(split_place, report.class_names, subject.classes);
  }
  ModelConfig model = subject.config.model;
  if (model.classes == 0) model.classes = dataset->classes();
  require(dataset->classes() == model.classes, ExitCode::data, split_place,
          "has {} classes, expected the {} of the model", dataset->classes(), model.classes);
  judges.emplace_back(model, batch_shape(config.evaluation.batch, *dataset, views.front()),
                      *backend, config.fuse, subject.weights);
  report.members.push_back({subject.place, subject.average, subject.step});
}

}  // namespace

EvaluationReport evaluate(const EvaluationRequest& request, Communicator& communicator) {
  std::optional<Panel> panel;
  communicator.set_activity("opening data", 0);
  together(communicator, [&] { panel.emplace(request); });

  const Config& config = panel->config;
  constexpr int unlimited = 1 << 20;  // batches are dealt, not laned
  WorkerPool pool(choose_workers(communicator, request.threads, config.threads_per_lane, unlimited),
                  config.threads_per_lane);
  std::vector<Evaluator::Member> members;
  for (Judge& judge : panel->judges) {
    members.push_back({judge.network.plan, judge.parameters, *judge.prepared});
  }
  Evaluator evaluator({.communicator = communicator,
                       .pool = pool,
                       .dataset = *panel->dataset,
                       .views = panel->views,
                       .members = std::move(members),
                       .loader_threads = pool.workers(),
                       .bad_samples = for_evaluation(config.data.bad_samples),
                       .most_bad_samples = config.data.max_bad_samples,
                       .guesses = request.guesses});
  communicator.set_activity("evaluation", static_cast<long>(panel->report.members[0].step));
  panel->report.result = evaluator.run();
  return std::move(panel->report);
}

}  // namespace convoy
