// Evaluation of a checkpoint by itself.
#include <list>
#include <memory>
#include <optional>

#include "ops/backend.h"
#include "trainer/feature_origin.h"
#include "trainer/network.h"
#include "trainer/session.h"
#include "trainer/setup.h"
#include "trainer/together.h"
#include "trainer/trained_weights.h"
#include "trainer/training_loader.h"
#include "trainer/weights.h"

namespace convoy {
namespace {

// Those whose probabilities are averaged.
std::vector<TrainedWeights> subjects_of(const EvaluationRequest& request) {
  std::vector<TrainedWeights> subjects = load_trained({.source = request.source,
                                                       .weights = request.weights,
                                                       .overrides = request.overrides,
                                                       .ema = request.ema});
  const TrainedWeights& first = subjects.front();
  for (const TrainedWeights& subject : subjects) {
    require(preparation_of(subject.config.data) == preparation_of(first.config.data),
            ExitCode::config, subject.place.string(),
            "prepares its images otherwise than {}: cannot be averaged", first.place.string());
    require(subjects.size() == 1 || subject.config.model.loss == LossKind::softmax,
            ExitCode::config, subject.place.string(),
            "has another loss than softmax: probabilities are averaged");
  }
  return subjects;
}

// A network with its weights, ready to be evaluated.
struct Judge {
  Judge(const ModelConfig& model, const Shape& samples, Backend& backend, bool fuse,
        const std::optional<FeatureOrigin>& origin, const Safetensors& weights)
      : network(model, samples, backend, PlanOptions{.mode = Mode::inference, .fuse = fuse}, {},
                origin),
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
  void add(const TrainedWeights& subject);
};

Panel::Panel(const EvaluationRequest& request) {
  const std::vector<TrainedWeights> subjects = subjects_of(request);
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
  for (const TrainedWeights& subject : subjects) add(subject);
}

void Panel::add(const TrainedWeights& subject) {
  const std::string split_place = config.data.path + ": " + report.split;
  if (!subject.classes.empty()) {
    require_same_classes(split_place, report.class_names, subject.classes);
  }
  ModelConfig model = subject.config.model;
  if (model.classes == 0) model.classes = dataset->classes();
  require(dataset->classes() == model.classes, ExitCode::data, split_place,
          "has {} classes, expected the {} of the model", dataset->classes(), model.classes);
  judges.emplace_back(model, batch_shape(config.evaluation.batch, *dataset, views.front()),
                      *backend, config.fuse, origin_of(*dataset), subject.weights);
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
