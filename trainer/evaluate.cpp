// Evaluation of a checkpoint by itself.
#include <list>
#include <memory>
#include <optional>

#include "ops/backend.h"
#include "trainer/feature_origin.h"
#include "trainer/session.h"
#include "trainer/setup.h"
#include "trainer/together.h"
#include "trainer/training_loader.h"

namespace convoy {
namespace {

// What all ranks put together alike.
struct Panel {
  Config config;  // of the first member, with what was asked for instead
  std::optional<Dataset> dataset;
  std::unique_ptr<Backend> backend;
  std::vector<Pipeline> views;
  std::list<TrainedNetwork> networks;
  EvaluationReport report;

  explicit Panel(const EvaluationRequest& request);

 private:
  void add(const TrainedWeights& member);
};

Panel::Panel(const EvaluationRequest& request) {
  const std::vector<TrainedWeights> members = load_to_average(request.trained);
  config = members.front().config;
  if (!request.data.empty()) config.data.path = request.data;
  if (!request.split.empty()) config.data.validation = request.split;
  report.split = config.data.validation;
  require(!report.split.empty(), ExitCode::config, members.front().place.string(),
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
  for (const TrainedWeights& member : members) add(member);
}

void Panel::add(const TrainedWeights& member) {
  const std::string split_place = config.data.path + ": " + report.split;
  if (!member.classes.empty()) {
    require_same_classes(split_place, report.class_names, member.classes);
  }
  ModelConfig model = member.config.model;
  if (model.classes == 0) model.classes = dataset->classes();
  require(dataset->classes() == model.classes, ExitCode::data, split_place,
          "has {} classes, expected the {} of the model", dataset->classes(), model.classes);
  networks.emplace_back(model, batch_shape(config.evaluation.batch, *dataset, views.front()),
                        *backend, config.fuse, origin_of(*dataset), member);
  report.members.push_back({member.place, member.average, member.step});
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
  for (TrainedNetwork& member : panel->networks) {
    members.push_back({member.network.plan, member.parameters, *member.prepared});
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
