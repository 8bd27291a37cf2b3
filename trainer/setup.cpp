#include "trainer/setup.h"

#include <algorithm>
#include <array>

#include "cluster/environment.h"
#include "data/loader.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

// What `channels` of the network's input have of a value per RGB channel: one grey channel is
// weighted as Pillow's "L" weights it.
std::vector<double> per_channel(const std::array<double, 3>& rgb, int channels) {
  if (channels == 3) return {rgb.begin(), rgb.end()};
  if (rgb[0] == rgb[1] && rgb[1] == rgb[2]) return {rgb[0]};
  return {0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]};
}

}  // namespace

std::string numerics_of(const std::string& backend, const Config& config) {
  return fmt::format("convoy " CONVOY_VERSION ", compiler " __VERSION__
                     ", {}, threads per lane {}{}",
                     backend, config.threads_per_lane, config.fuse ? "" : ", unfused");
}

std::unique_ptr<Backend> make_backend(const Config& config) {
  const Precision precision = config.precision.value_or(Precision::fp32);
  require(precision == Precision::fp32 || config.backend == "onednn", ExitCode::config, "precision",
          "bf16 is of the backend onednn, the configuration has {}", config.backend);
  return make_backend(config.backend,
                      {.threads = config.threads_per_lane,
                       .winograd = config.winograd ? Winograd::where_faster : Winograd::never,
                       .precision = precision});
}

void complete(Config& config, const Dataset& train) {
  require(config.model.classes == 0 || config.model.classes >= train.classes(), ExitCode::config,
          "model.classes", "{}, but {} of {} has {} classes", config.model.classes, train.split(),
          config.data.path, train.classes());
  if (config.model.classes == 0) config.model.classes = train.classes();
  if (config.data.mean.empty()) {
    config.data.mean = per_channel(train.pixel_mean(), config.data.channels);
  }
  if (config.data.std.empty()) {
    config.data.std = per_channel(train.pixel_std(), config.data.channels);
    // A data set of one colour has no spread to divide by.
    for (double& std : config.data.std) {
      if (std <= 0) std = 1;
    }
  }
}

Pipeline make_pipeline(const DataConfig& config, const std::vector<Transform>& transforms) {
  Pipeline pipeline{.transforms = transforms,
                    .channels = config.channels,
                    .partial_decode = config.partial_decode};
  for (std::size_t c = 0; c < config.mean.size(); ++c) {
    pipeline.normalize.mean[c] = static_cast<float>(config.mean[c]);
    pipeline.normalize.std[c] = static_cast<float>(config.std[c]);
  }
  return pipeline;
}

std::vector<Pipeline> make_views(const Config& config) {
  const std::vector<Transform>& transforms = config.data.evaluate;
  const Crops crops = config.evaluation.crops;
  require(crops == Crops::one || config.model.loss == LossKind::softmax, ExitCode::config,
          "evaluation.crops", "probabilities are averaged, expected model.loss softmax");
  const HorizontalFlip always{.probability = 1};
  std::vector<std::vector<Transform>> views;
  if (crops == Crops::one || crops == Crops::flip) {
    views.push_back(transforms);
    if (crops == Crops::flip) {
      views.push_back(transforms);
      views.back().emplace_back(always);
    }
  } else {
    const auto* last = transforms.empty() ? nullptr : std::get_if<CenterCrop>(&transforms.back());
    require(last != nullptr, ExitCode::config, "evaluation.crops",
            "several crops take the place of a last center_crop, but data.evaluate has none there");
    for (const bool flipped : {false, true}) {
      if (flipped && crops == Crops::five) break;
      for (int corner = 0; corner < 5; ++corner) {
        views.emplace_back(transforms.begin(), transforms.end() - 1);
        if (flipped) views.back().emplace_back(always);
        views.back().emplace_back(CornerCrop{last->size, static_cast<Corner>(corner)});
      }
    }
  }
  std::vector<Pipeline> pipelines;
  for (const auto& view : views) pipelines.push_back(make_pipeline(config.data, view));
  return pipelines;
}

Shape batch_shape(int rows, const Dataset& dataset, const Pipeline& pipeline) {
  const Shape image = output_shape(dataset, pipeline);
  return {rows, image[0], image[1], image[2]};
}

int choose_workers(Communicator& communicator, int wanted, int threads_per_lane, int lanes) {
  if (wanted > 0) return worker_threads(communicator, wanted, lanes);
  const int threads = worker_threads(communicator, 0, lanes * threads_per_lane);
  return std::max(1, threads / threads_per_lane);
}

void require_labels(const std::string& folder, const Dataset& dataset) {
  require(dataset.unlabelled() == 0, ExitCode::data, folder,
          "{} of the {} samples of {} have no label, expected one for each", dataset.unlabelled(),
          dataset.size(), dataset.split());
}

void require_same_classes(const std::string& place, const std::vector<std::string>& found,
                          const std::vector<std::string>& expected) {
  require(found.size() == expected.size(), ExitCode::data, place,
          "has {} classes, expected the {} of the training", found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    require(found[i] == expected[i], ExitCode::data, place,
            "class {} is '{}', expected '{}' as in the training", i, found[i], expected[i]);
  }
}

}  // namespace convoy
