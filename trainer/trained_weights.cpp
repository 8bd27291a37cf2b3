#include "trainer/trained_weights.h"

#include <utility>

#include "ops/core/check.h"
#include "trainer/checkpoint.h"
#include "trainer/weights.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

TrainedWeights from_checkpoint(const fs::path& source, const TrainedRequest& request) {
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
TrainedWeights from_file(const fs::path& weights, const Config& config, const fs::path& source) {
  TrainedWeights trained{.place = weights, .config = config, .weights = Safetensors(weights)};
  require(!config.data.mean.empty() && !config.data.std.empty(), ExitCode::config, source.string(),
          "data.mean and data.std: missing, expected those that {} was trained with",
          weights.string());
  return trained;
}

void put_head(const TrainedRequest& request, TrainedWeights& trained) {
  if (!fs::is_directory(request.head)) {
    trained.head = Safetensors(request.head);
    return;
  }
  LoadedCheckpoint checkpoint = find_checkpoint(request.head);
  const bool average = request.ema && checkpoint.average;
  trained.head = average ? std::move(*checkpoint.average) : std::move(checkpoint.model);
  trained.classes = std::move(checkpoint.progress.classes);
  trained.config.model.classes = static_cast<int>(trained.classes.size());
}

}  // namespace

std::vector<TrainedWeights> load_trained(const TrainedRequest& request) {
  const bool configured = fs::is_regular_file(request.source);
  require(!configured || !request.weights.empty(), ExitCode::usage, request.source.string(),
          "is a file, expected a run folder or a checkpoint's folder; of a configuration say which "
          "weights to take");
  std::vector<TrainedWeights> trained;
  Config config;
  if (configured) {
    config = load_config(request.source, request.overrides);
  } else {
    trained.push_back(from_checkpoint(request.source, request));
    config = trained.front().config;
  }
  for (const fs::path& weights : request.weights) {
    trained.push_back(fs::is_directory(weights) ? from_checkpoint(weights, request)
                                                : from_file(weights, config, request.source));
  }
  require(request.head.empty() || trained.size() == 1, ExitCode::usage, request.head.string(),
          "is the head of one network, found {}", trained.size());
  if (!request.head.empty()) put_head(request, trained.front());
  return trained;
}

std::vector<TrainedWeights> load_to_average(const TrainedRequest& request) {
  std::vector<TrainedWeights> trained = load_trained(request);
  const TrainedWeights& first = trained.front();
  for (const TrainedWeights& member : trained) {
    require(preparation_of(member.config.data) == preparation_of(first.config.data),
            ExitCode::config, member.place.string(),
            "prepares its images otherwise than {}: cannot be averaged", first.place.string());
    require(trained.size() == 1 || member.config.model.loss == LossKind::softmax, ExitCode::config,
            member.place.string(), "has another loss than softmax: probabilities are averaged");
  }
  return trained;
}

TrainedNetwork::TrainedNetwork(const ModelConfig& model, const Shape& samples, Backend& backend,
                               bool fuse, const std::optional<FeatureOrigin>& origin,
                               const TrainedWeights& trained)
    : network(model, samples, backend, PlanOptions{.mode = Mode::inference, .fuse = fuse}, {},
              origin),
      parameters(network.plan) {
  if (trained.head) {
    import_parameters(trained.weights, *trained.head, parameters);
  } else {
    import_parameters(trained.weights, parameters);
  }
  prepared.emplace(network.plan, parameters);
}

}  // namespace convoy
