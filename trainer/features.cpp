#include "trainer/features.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "data/loader.h"
#include "ops/core/check.h"
#include "ops/core/checksum.h"
#include "ops/executor.h"
#include "ops/subgraph.h"
#include "trainer/feature_origin.h"
#include "trainer/models/models.h"
#include "trainer/pack_group.h"
#include "trainer/setup.h"
#include "trainer/together.h"
#include "trainer/weights.h"
#include "trainer/worker_pool.h"

namespace convoy {
namespace {

constexpr std::uint64_t most_shard_bytes = 256 << 20;  // held in memory by each rank
constexpr std::uint64_t shards_to_share = 16;          // at least, where there are batches enough

TrainedWeights backbone_of(const TrainedRequest& request) {
  std::vector<TrainedWeights> trained = load_trained(request);
  require(trained.size() == 1, ExitCode::usage, request.source.string(),
          "names {} networks with the weights asked for, expected one", trained.size());
  return std::move(trained.front());
}

// Of the layers behind the features: whatever the file has for them, of however many classes.
std::vector<std::string> unused_parameters(const Plan& plan) {
  std::vector<bool> used(plan.parameters().size());
  for (const PlanStep& step : plan.steps()) {
    for (const int index : step.parameters) used[static_cast<std::size_t>(index)] = true;
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) names.push_back(plan.parameters()[i].name);
  }
  return names;
}

// The layer whose output the last one with parameters reads, dropout and flattening apart.
std::string last_layer_before_classifier(const Graph& graph) {
  const auto maker_of = [&](Value value) {
    return std::ranges::find(graph.nodes(), value, &Node::output);
  };
  const auto last = std::find_if(graph.nodes().rbegin(), graph.nodes().rend(),
                                 [](const Node& node) { return !node.parameters.empty(); });
  require(last != graph.nodes().rend(), ExitCode::config, "features",
          "the network has no parameters, expected some");
  auto node = maker_of(last->inputs[0]);
  while (node != graph.nodes().end() &&
         (std::holds_alternative<Flatten>(node->op) || std::holds_alternative<Dropout>(node->op))) {
    node = maker_of(node->inputs[0]);
  }
  require(node != graph.nodes().end(), ExitCode::config, "features",
          "{} reads the images themselves, expected layers before it", last->name);
  return node->name;
}

// What all ranks put together alike.
class Extractor {
 public:
  explicit Extractor(const FeatureRequest& request);

  const Config& config() const { return config_; }
  const Dataset& dataset() const { return *dataset_; }
  const FeatureOrigin& origin() const { return origin_; }
  Shape shape() const;  // of one sample
  std::uint64_t floats() const { return static_cast<std::uint64_t>(shape().elements()); }
  std::uint64_t rows() const { return static_cast<std::uint64_t>(plan_->images()[0]); }

  // Of samples [first, end), one after the other.
  void compute(std::uint64_t first, std::uint64_t end, WorkerPool& pool, std::span<float> features);

 private:
  Config config_;
  std::optional<Dataset> dataset_;
  std::unique_ptr<Backend> backend_;
  Pipeline pipeline_;
  std::optional<Plan> plan_;
  std::optional<Parameters> parameters_;
  std::optional<PreparedWeights> prepared_;
  std::vector<std::unique_ptr<Executor>> executors_;  // by worker
  FeatureOrigin origin_;
};

Extractor::Extractor(const FeatureRequest& request) {
  const TrainedWeights trained = backbone_of(request.trained);
  config_ = trained.config;
  if (!request.data.empty()) config_.data.path = request.data;
  dataset_.emplace(config_.data.path, request.split);
  require(!dataset_->holds_features(), ExitCode::data, dataset_->place(0),
          "is features already, expected images");
  if (config_.model.classes == 0) config_.model.classes = dataset_->classes();
  backend_ = make_backend(config_);
  pipeline_ = make_pipeline(config_.data, config_.data.evaluate);

  const Shape images = batch_shape(config_.evaluation.batch, *dataset_, pipeline_);
  const Graph graph = build_model(config_.model, images);
  const std::string layer =
      request.layer.empty() ? last_layer_before_classifier(graph) : request.layer;
  plan_.emplace(
      graph, *backend_,
      PlanOptions{
          .mode = Mode::inference, .fuse = config_.fuse, .output = output_of(graph, layer)});
  parameters_.emplace(*plan_);
  import_parameters(trained.weights, *parameters_, {.skip = unused_parameters(*plan_)});
  prepared_.emplace(*plan_, *parameters_);
  prepared_->refresh();
  origin_ = {.model = config_.model.name,
             .settings = to_text(config_.model),
             .layer = layer,
             .images = {images[1], images[2], images[3]},
             .weights = trained.weights.identity().sha256,
             .data = dataset_->fingerprint(),
             .preparation = preparation_of(config_.data),
             .numerics = numerics_of(backend_->name(), config_)};
}

Shape Extractor::shape() const {
  const Shape all = plan_->logits();
  return all.rank() == 4 ? Shape{all[1], all[2], all[3]} : Shape{all[1]};
}

void Extractor::compute(std::uint64_t first, std::uint64_t end, WorkerPool& pool,
                        std::span<float> features) {
  const auto workers = static_cast<std::uint64_t>(pool.workers());
  while (executors_.size() < workers) {
    executors_.push_back(std::make_unique<Executor>(*plan_, *parameters_, *prepared_));
  }
  const std::uint64_t batches = (end - first + rows() - 1) / rows();
  Loader loader(*dataset_, pipeline_,
                {.threads = pool.workers(),
                 .rows = static_cast<int>(rows()),
                 .ahead = 2 * pool.workers() + 1,
                 .end_slot = batches},
                [&](std::uint64_t slot, int row) {
                  const std::uint64_t index = first + slot * rows() + row;
                  return RowKey{.index = index, .present = index < end};
                });
  pool.run([&](int worker) {
    for (auto slot = static_cast<std::uint64_t>(worker); slot < batches; slot += workers) {
      const Batch batch = loader.acquire(slot);
      executors_[worker]->forward({.images = batch.images.data(), .labels = batch.labels.data()});
      loader.release(batch);
      const std::uint64_t from = slot * rows();
      const std::uint64_t count = std::min(rows(), end - first - from);
      std::ranges::copy(executors_[worker]->logits().first(count * floats()),
                        features.subspan(from * floats()).begin());
    }
  });
}

// The samples' ends in each shard: whole batches, so that the cut changes no batch.
std::vector<std::uint64_t> cut_shards(const Extractor& extractor) {
  const std::uint64_t samples = extractor.dataset().size(), rows = extractor.rows();
  const std::uint64_t batches = (samples + rows - 1) / rows;
  const std::uint64_t bytes = samples * extractor.floats() * sizeof(float);
  const std::uint64_t wanted =
      std::max((bytes + most_shard_bytes - 1) / most_shard_bytes, shards_to_share);
  const std::uint64_t per_shard = (batches + wanted - 1) / wanted * rows;
  std::vector<std::uint64_t> ends;
  for (std::uint64_t end = per_shard; end < samples; end += per_shard) ends.push_back(end);
  ends.push_back(samples);
  return ends;
}

// All but the checksums.
ShardIndex index_of(const Extractor& extractor, std::uint64_t first, std::uint64_t end) {
  const Dataset& dataset = extractor.dataset();
  const Shape shape = extractor.shape();
  const std::int64_t pixels = shape.rank() == 3 ? shape[1] * shape[2] : 1;
  ShardIndex index;
  for (std::uint64_t i = first; i < end; ++i) {
    const std::string_view name = dataset.name(i);
    index.offsets.push_back(index.offsets.back() + extractor.floats() * sizeof(float));
    index.labels.push_back(dataset.sample(i).label);
    index.sample_ids.push_back(i);
    index.height.push_back(static_cast<std::uint32_t>(shape[0]));
    index.width.push_back(static_cast<std::uint32_t>(pixels));
    index.channels.push_back(1);
    index.encoding.push_back(static_cast<std::uint8_t>(Encoding::features));
    index.names_bytes.insert(index.names_bytes.end(), name.begin(), name.end());
    index.names_offsets.push_back(index.names_bytes.size());
  }
  return index;
}

// Writes the shards that this rank is dealt.
class ShardMaker {
 public:
  ShardMaker(Extractor& extractor, WorkerPool& pool, const FeatureRequest& request)
      : extractor_(extractor),
        pool_(pool),
        request_(request),
        ends_(cut_shards(extractor)),
        names_(shard_names(request.split, ends_.size())) {}

  const std::vector<std::string>& names() const { return names_; }
  int found() const { return found_; }

  ManifestShard make(std::uint64_t number) {
    const std::uint64_t first = number == 0 ? 0 : ends_[number - 1], end = ends_[number];
    const ShardHeader header{.split = request_.split,
                             .shard_index = number,
                             .shard_count = ends_.size(),
                             .first_sample_id = first,
                             .pack_options = to_json(extractor_.origin()),
                             .pixels = pixels(),
                             .class_names = extractor_.dataset().class_names()};
    ShardIndex index = index_of(extractor_, first, end);
    if (auto shard = find_staged(request_.output, names_[number], header, index, pool_.workers())) {
      ++found_;
      return *shard;
    }
    features_.resize((end - first) * extractor_.floats());
    extractor_.compute(first, end, pool_, features_);
    const std::span<const std::byte> bytes = std::as_bytes(std::span(features_));
    for (std::uint64_t i = 0; i < index.samples(); ++i) {
      index.crc32c.push_back(crc32c(bytes.subspan(index.offsets[i], index.bytes(i))));
    }
    return write_staged(request_.output, names_[number], header, index,
                        [&](const ShardWriter& shard) { shard.write(bytes, 0); });
  }

  // Features are what they are: nothing normalises them.
  static PixelStatistics pixels() { return {.mean = {0, 0, 0}, .std = {1, 1, 1}}; }

 private:
  Extractor& extractor_;
  WorkerPool& pool_;
  const FeatureRequest& request_;
  std::vector<std::uint64_t> ends_;
  std::vector<std::string> names_;
  std::vector<float> features_;  // of a shard
  int found_ = 0;
};

ManifestSplit split_of(const Dataset& dataset, std::vector<ManifestShard> shards) {
  ManifestSplit split{
      .name = dataset.split(), .shards = std::move(shards), .pixels = ShardMaker::pixels()};
  split.label_histogram.resize(dataset.class_names().size());
  for (const auto labels : dataset.labels()) {
    for (const std::int32_t label : labels) {
      if (label >= 0) ++split.label_histogram[static_cast<std::size_t>(label)];
    }
  }
  return split;
}

}  // namespace

FeatureReport compute_features(const FeatureRequest& request, Communicator& communicator) {
  const PackGroup group = group_of(communicator);
  const bool root = communicator.rank() == 0;
  std::optional<Extractor> extractor;
  communicator.set_activity("opening data", 0);
  together(communicator, [&] { extractor.emplace(request); });
  const Config& config = extractor->config();
  constexpr int unlimited = 1 << 20;  // batches are dealt, not laned
  WorkerPool pool(choose_workers(communicator, request.threads, config.threads_per_lane, unlimited),
                  config.threads_per_lane);

  const Dataset& dataset = extractor->dataset();
  std::optional<Staging> staging;  // the first rank's
  Manifest manifest;               // likewise
  std::optional<ShardMaker> maker;
  by_root(communicator, [&] {
    require_split_name(request.split);
    staging.emplace(request.output);
    manifest = begin_manifest(request.output, request.split, dataset.class_names());
    take_over(request.output, request.split, *staging);
  });
  maker.emplace(*extractor, pool, request);
  if (root) stage_shards(maker->names(), *staging);
  communicator.set_activity("features", 0);
  std::vector<ManifestShard> shards =
      write_dealt(maker->names(), group, [&](std::uint64_t number) { return maker->make(number); });

  FeatureReport report{.layer = extractor->origin().layer,
                       .shape = extractor->shape(),
                       .samples = dataset.size(),
                       .bytes = dataset.size() * extractor->floats() * sizeof(float),
                       .shards = static_cast<int>(shards.size())};
  double found = maker->found();
  communicator.all_reduce_sum(std::span(&found, 1));
  report.found = static_cast<int>(found);
  by_root(communicator, [&] {
    commit_split(request.output, std::move(manifest), split_of(dataset, std::move(shards)),
                 *staging);
  });
  return report;
}

}  // namespace convoy
