#include "trainer/training_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ops/core/check.h"
#include "trainer/setup.h"

namespace convoy {
namespace {

// Reading tiny samples ahead one by one costs more than it saves: the system's own reading ahead
// brings their neighbours along. Blocks are read ahead as wholes.
bool reads_ahead(const DataConfig& config, const Dataset& dataset) {
  constexpr std::uint64_t tiny = 16 << 10;  // bytes
  return config.prefetch > 0 &&
         (config.order == Order::blocked || dataset.bytes() >= tiny * dataset.size());
}

}  // namespace

Sampler make_sampler(const Config& config, const Dataset& dataset) {
  const DataConfig& data = config.data;
  require(data.class_weights.empty() || data.order == Order::balanced, ExitCode::config,
          "data.class_weights", "given, but data.order is not balanced");
  return {dataset,
          {.order = data.order,
           .seed = config.seed,
           .global_batch = static_cast<std::uint64_t>(config.batch.global),
           .lanes = static_cast<std::uint64_t>(config.batch.lanes),
           .prefetch_steps = static_cast<std::uint64_t>(data.prefetch),
           .block_bytes = static_cast<std::uint64_t>(data.block_mib * (1 << 20)),
           .window_blocks = static_cast<std::uint64_t>(data.window),
           .class_weights = data.class_weights}};
}

std::unique_ptr<Loader> make_training_loader(const TrainingLoaderRequest& request) {
  const Config& config = request.config;
  const auto per_step = static_cast<std::uint64_t>(request.slots.per_step());
  // What the loader's threads ask: where a slot stands, and which samples belong there.
  struct Asked {
    SampleStream stream;
    LaneSlots slots;
  };
  const auto order = std::make_shared<const Asked>(
      Asked{{make_sampler(config, request.dataset), config.batch.global, config.batch.lanes},
            request.slots});
  Pipeline pipeline = make_pipeline(config.data, config.data.augment);
  LoaderOptions options{
      .threads = request.threads,
      .rows = order->stream.rows(),
      .ahead = config.data.ahead > 0 ? config.data.ahead : 2 * request.slots.per_step(),
      .seed = config.seed,
      .first_slot = request.first_step * per_step,
      .end_slot = std::max(request.end_step, request.first_step) * per_step,
      .classes = config.model.classes,
      .bad_samples = config.data.bad_samples,
      .most_bad_samples = config.data.max_bad_samples};
  require(config.data.mix.cutmix == 0 || !request.dataset.holds_features(), ExitCode::config,
          "data.mix.cutmix", "cuts images, but {} holds features", config.data.path);
  if (config.data.mix.on()) {
    const Shape image = output_shape(request.dataset, pipeline);
    options.mix = [order, settings = config.data.mix, seed = config.seed,
                   height = static_cast<int>(image[1]),
                   width = static_cast<int>(image[2])](std::uint64_t slot) {
      return draw_mix(settings, seed, order->slots.step(slot), height, width);
    };
  }
  if (reads_ahead(config.data, request.dataset)) {
    options.on_begin = [order, &dataset = request.dataset](std::uint64_t slot) {
      order->stream.upcoming(
          order->slots.step(slot), order->slots.lane(slot),
          [&](std::uint64_t begin, std::uint64_t end) { dataset.prefetch(begin, end); });
    };
  }
  return std::make_unique<Loader>(request.dataset, std::move(pipeline), std::move(options),
                                  [order](std::uint64_t slot, int row) {
                                    return order->stream.at(order->slots.step(slot),
                                                            order->slots.lane(slot), row);
                                  });
}

std::string describe_memory(const Loader& loader) {
  const Loader::Memory memory = loader.memory();
  const auto mebibytes = [](std::uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  return fmt::format(
      "loader: {} thread{}; the next {} micro-batches in {:.1f} MiB, scratch of at most {:.1f} MiB",
      memory.threads, memory.threads == 1 ? "" : "s", memory.slots, mebibytes(memory.ring),
      mebibytes(memory.scratch));
}

}  // namespace convoy
