// convoy inspect: what a configuration, a data set or a checkpoint holds.
#include "data/inspect.h"

#include <fmt/format.h>

#include <iostream>

#include "cluster/reducer.h"
#include "ops/backend.h"
#include "trainer/checkpoint.h"
#include "trainer/commands/commands.h"
#include "trainer/network.h"
#include "trainer/setup.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

std::string describe_graph(const Graph& graph) {
  std::string text = fmt::format("{:<28}{:<16}{:<18}{:>12}{:>14}\n", "layer", "op", "output",
                                 "parameters", "Mmul-add/img");
  std::int64_t parameters = 0;
  double work = 0;
  for (const Node& node : graph.nodes()) {
    std::int64_t own = 0;
    for (const int index : node.parameters) {
      const Parameter& parameter = graph.parameters()[index];
      if (!is_statistic(parameter.role)) own += parameter.shape.elements();
    }
    const double macs =
        multiply_adds(node.op, graph.input_shapes(node)) / graph.shape(graph.input())[0];
    text += fmt::format("{:<28}{:<16}{:<18}{:>12}{:>14.3f}\n", node.name, kind_of(node.op),
                        graph.shape(node.output).text(), own, macs / 1e6);
    parameters += own;
    work += macs;
  }
  return text + fmt::format("{:<62}{:>12}{:>14.3f}\n", "total", parameters, work / 1e6);
}

std::string describe_buckets(const Plan& plan) {
  const std::vector<Bucket> buckets = cut_buckets(plan.ready_offsets());
  std::string text =
      fmt::format("{} buckets of gradients, in the order in which they leave:\n", buckets.size());
  for (const Bucket& bucket : buckets) {
    text += fmt::format("  {:>10.1f} KiB\n",
                        static_cast<double>((bucket.end - bucket.begin) * sizeof(float)) / 1024);
  }
  return text;
}

void show_network(const Config& config, const Shape& samples,
                  const std::optional<FeatureOrigin>& origin = {}) {
  const auto backend = make_backend(config);
  const Network network(config.model, samples, *backend,
                        {.fuse = config.fuse, .recompute = config.memory == MemoryUse::recompute},
                        config.freeze, origin);
  std::cout << describe_graph(network.graph) << "\n"
            << network.plan.describe() << "\n"
            << network.plan.describe_memory() << "\n"
            << describe_buckets(network.plan);
}

// A network by its name alone, without a data set.
struct NetworkRequest {
  int batch = 32;
  int image_size = 224;
  int channels = 3;
  int classes = 1000;
};

bool is_model(const std::string& name) {
  return std::ranges::any_of(models, [&](const Model& model) { return model.name == name; });
}

void inspect_config(const std::string& file, const std::vector<std::string>& overrides) {
  Config config = load_config(file, overrides);
  const Dataset train(config.data.path, config.data.train);
  complete(config, train);
  std::cout << to_yaml(config) << "\n";
  const Pipeline pipeline = make_pipeline(config.data, config.data.augment);
  const int rows = config.batch.global / config.batch.lanes;
  show_network(config, batch_shape(rows, train, pipeline), origin_of(train));
}

void inspect_checkpoint(const LoadedCheckpoint& checkpoint) {
  const Progress& progress = checkpoint.progress;
  std::cout << fmt::format(
      "{}\nstep {}, {} samples seen, {} restarts\nmodel      {}\ndata set   {}\nnumerics   {}\n"
      "batch      {} in {} lanes, seed {}\n",
      checkpoint.folder.string(), progress.step, progress.position, progress.restarts,
      progress.model, progress.dataset, progress.numerics, progress.global_batch, progress.lanes,
      progress.seed);
  for (const auto& [name, value] : progress.metrics) {
    std::cout << fmt::format("{:<11}{}\n", name, value);
  }
  std::vector<const Safetensors*> files = {&checkpoint.model, &checkpoint.state};
  if (checkpoint.average) files.push_back(&*checkpoint.average);
  for (const Safetensors* file : files) {
    std::cout << "\n" << file->path().filename().string() << "\n";
    for (const TensorView& tensor : file->tensors()) {
      std::cout << fmt::format("  {:<44}{:<6}{}\n", tensor.name, name_of(tensor.dtype),
                               tensor.shape.text());
    }
  }
}

}  // namespace

ExitCode inspect_command(const Arguments& arguments, Communicator&) {
  std::string source;
  std::vector<std::string> overrides;
  Options options(
      "convoy inspect CONFIG|MODEL|DATA|SHARD|RUN_FOLDER|CHECKPOINT [options]",
      "Shows what there is: of a configuration the resolved settings, the network, its\n"
      "plan, its memory and its buckets; of a model's name the same without settings; of\n"
      "a data set its splits, shards and duplicates; of a shard what it holds; of a run\n"
      "folder or a checkpoint where it stands and its tensors. Changes nothing.");
  NetworkRequest request;
  options
      .word("CONFIG|MODEL|DATA|...", source,
            "a YAML file, a model such as resnet50, a shard, or a folder")
      .add("set KEY=VALUE", boost::program_options::value(&overrides),
           "override a setting of the configuration; may be repeated")
      .add("batch N", boost::program_options::value(&request.batch),
           "of a model: images of a micro-batch [32]")
      .add("image-size N", boost::program_options::value(&request.image_size),
           "of a model: height and width [224]")
      .add("channels N", boost::program_options::value(&request.channels), "of a model [3]")
      .add("classes N", boost::program_options::value(&request.classes), "of a model [1000]");
  if (!options.parse(arguments)) return ExitCode::done;

  const fs::path path = source;
  if (fs::exists(path / "manifest.h5")) {
    std::cout << describe_dataset(path);
  } else if (fs::is_regular_file(path) && path.filename() == "manifest.h5") {
    std::cout << describe_dataset(path.parent_path());
  } else if (fs::is_regular_file(path) && path.extension() == ".h5") {
    std::cout << describe_shard(path);
  } else if (fs::exists(path / "manifest.json")) {
    inspect_checkpoint(load_checkpoint(path));
  } else if (fs::exists(path / "checkpoints")) {
    const auto newest = load_newest(path / "checkpoints");
    require(newest.has_value(), ExitCode::data, source, "has no checkpoint yet");
    inspect_checkpoint(*newest);
  } else if (!fs::exists(path) && is_model(source)) {
    Config config;
    config.model.name = source;
    config.model.classes = request.classes;
    show_network(config, {request.batch, request.channels, request.image_size, request.image_size});
  } else {
    require(!fs::is_directory(path), ExitCode::data, source,
            "expected a data set (with manifest.h5), a run folder or a checkpoint");
    inspect_config(source, overrides);
  }
  return ExitCode::done;
}

}  // namespace convoy
