#include "trainer/prediction.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <list>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <utility>

#include "data/image.h"
#include "data/manifest.h"
#include "data/sources/files.h"
#include "ops/core/arena.h"
#include "ops/core/check.h"
#include "ops/executor.h"
#include "trainer/scores.h"
#include "trainer/setup.h"
#include "trainer/worker_pool.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_rows = 8;  // of a batch: enough for the kernels, little to wait for

std::unique_ptr<Files> files_of(const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      names.push_back(path);
      continue;
    }
    const auto inside = files_in_folder(path);
    require(inside->size() > 0, ExitCode::data, path, "holds no files, expected images");
    for (std::uint64_t i = 0; i < inside->size(); ++i) {
      names.push_back((fs::path(path) / inside->name(i)).string());
    }
  }
  return files_of_paths("", std::move(names));
}

// By number. Error(data) where a run knows other classes than the data set asked for, or than
// another run.
std::vector<std::string> class_names_of(const PredictionRequest& request,
                                        const std::vector<TrainedWeights>& trained) {
  std::vector<std::string> names;
  std::string place = request.data;
  if (!request.data.empty()) names = read_manifest(request.data).class_names;
  for (const TrainedWeights& member : trained) {
    if (member.classes.empty()) continue;
    if (names.empty()) {
      names = member.classes;
      place = member.place.string();
    }
    require_same_classes(place, names, member.classes);
  }
  const TrainedWeights& first = trained.front();
  const int classes = first.config.model.classes;
  if (names.empty()) {
    require(classes > 0, ExitCode::config, first.place.string(),
            "model.classes: missing, expected their number, or a data set that names them");
    for (int number = 0; number < classes; ++number) names.push_back(std::to_string(number));
  }
  require(classes == 0 || classes == static_cast<int>(names.size()), ExitCode::data, place,
          "names {} classes, expected the {} of the model", names.size(), classes);
  return names;
}

class Predictor {
 public:
  explicit Predictor(const PredictionRequest& request);
  std::vector<Prediction> run();

 private:
  // What one thread works with.
  struct Worker {
    Worker(const std::list<TrainedNetwork>& networks, const Shape& images, std::size_t classes);

    std::vector<std::vector<std::byte>> bytes;  // by row
    ImageDecoder decoder;
    TransformScratch transform;
    Arena images;
    std::vector<std::int32_t> labels;                  // none
    std::vector<std::unique_ptr<Executor>> executors;  // by network
    std::vector<double> sums;                          // [rows, classes], of probabilities
  };

  void prepare(const Pipeline& view, std::uint64_t first, std::uint64_t end, Worker& worker);
  void predict_batch(std::uint64_t first, std::uint64_t end, Worker& worker);
  Prediction best_of(std::uint64_t file, std::span<const double> sums) const;

  int best_;
  std::unique_ptr<Files> files_;
  std::vector<TrainedWeights> trained_;
  std::vector<std::string> class_names_;
  std::unique_ptr<Backend> backend_;
  std::vector<Pipeline> views_;
  Shape image_;   // [C, H, W]
  Shape images_;  // [rows, C, H, W]
  std::list<TrainedNetwork> networks_;
  WorkerPool pool_;
  std::vector<Prediction> predictions_;
};

Predictor::Worker::Worker(const std::list<TrainedNetwork>& networks, const Shape& shape,
                          std::size_t classes)
    : bytes(static_cast<std::size_t>(shape[0])),
      images(static_cast<std::size_t>(shape.elements()) * sizeof(float)),
      labels(bytes.size(), -1),
      sums(bytes.size() * classes) {
  for (const TrainedNetwork& network : networks) {
    executors.push_back(
        std::make_unique<Executor>(network.network.plan, network.parameters, *network.prepared));
  }
}

Predictor::Predictor(const PredictionRequest& request)
    : best_(request.best),
      files_(files_of(request.images)),
      trained_(load_to_average(request.trained)),
      class_names_(class_names_of(request, trained_)),
      pool_(request.threads, 1) {
  const Config& config = trained_.front().config;
  backend_ = make_backend(config);
  views_ = make_views(config);
  std::vector<std::byte> buffer;
  const ImageInfo first = ImageDecoder().probe(files_->read(0, buffer), files_->name(0));
  image_ = views_.front().output_shape(static_cast<std::uint32_t>(first.height),
                                       static_cast<std::uint32_t>(first.width));
  const std::size_t share = (files_->size() + request.threads - 1) / request.threads;
  images_ = {static_cast<std::int64_t>(std::min(share, most_rows)), image_[0], image_[1],
             image_[2]};
  for (const TrainedWeights& member : trained_) {
    require(member.config.model.loss == LossKind::softmax, ExitCode::config, member.place.string(),
            "has another loss than softmax: its outputs are no probabilities");
    ModelConfig model = member.config.model;
    model.classes = static_cast<int>(class_names_.size());
    networks_.emplace_back(model, images_, *backend_, config.fuse, std::nullopt, member);
    networks_.back().prepared->refresh();
  }
}

// The images of files [first, end), as `view` makes them, in the rows of a batch.
void Predictor::prepare(const Pipeline& view, std::uint64_t first, std::uint64_t end,
                        Worker& worker) {
  const auto floats = static_cast<std::size_t>(image_.elements());
  for (std::uint64_t i = first; i < end; ++i) {
    const std::span<float> row = worker.images.as<float>().subspan((i - first) * floats, floats);
    worker.decoder.open(files_->read(i, worker.bytes[i - first]), files_->name(i));
    apply(view, worker.decoder, {}, files_->name(i), image_, worker.transform,
          std::as_writable_bytes(row));
  }
}

void Predictor::predict_batch(std::uint64_t first, std::uint64_t end, Worker& worker) {
  const std::size_t classes = class_names_.size();
  std::ranges::fill(worker.sums, 0.0);
  for (const Pipeline& view : views_) {
    prepare(view, first, end, worker);
    for (const auto& executor : worker.executors) {
      executor->forward(
          {.images = worker.images.as<float>().data(), .labels = worker.labels.data()});
      add_probabilities(executor->logits(), classes, worker.sums);
    }
  }
  for (std::uint64_t i = first; i < end; ++i) {
    predictions_[i] = best_of(i, std::span(worker.sums).subspan((i - first) * classes, classes));
  }
}

Prediction Predictor::best_of(std::uint64_t file, std::span<const double> sums) const {
  std::vector<int> order(sums.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int a, int b) { return sums[a] > sums[b]; });
  order.resize(std::min(order.size(), static_cast<std::size_t>(best_)));
  const auto averaged = static_cast<double>(views_.size() * networks_.size());
  Prediction prediction{.image = files_->name(file)};
  for (const int number : order) {
    prediction.classes.push_back({.number = number,
                                  .name = class_names_[static_cast<std::size_t>(number)],
                                  .probability = sums[number] / averaged});
  }
  return prediction;
}

std::vector<Prediction> Predictor::run() {
  const auto rows = static_cast<std::uint64_t>(images_[0]);
  const auto workers = static_cast<std::uint64_t>(pool_.workers());
  predictions_.resize(files_->size());
  pool_.run([&](int number) {
    Worker worker(networks_, images_, class_names_.size());
    for (std::uint64_t first = number * rows; first < files_->size(); first += workers * rows) {
      predict_batch(first, std::min(first + rows, files_->size()), worker);
    }
  });
  return std::move(predictions_);
}

}  // namespace

std::vector<Prediction> predict(const PredictionRequest& request) {
  require(!request.images.empty(), ExitCode::usage, "predict", "no images, expected some");
  require(request.best > 0, ExitCode::usage, "predict", "{} classes, expected at least 1",
          request.best);
  require(request.threads > 0, ExitCode::usage, "predict", "{} threads, expected at least 1",
          request.threads);
  return Predictor(request).run();
}

}  // namespace convoy
