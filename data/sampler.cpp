#include "data/sampler.h"

#include <algorithm>
#include <numeric>

#include "data/permutation.h"
#include "ops/core/check.h"
#include "ops/core/random.h"

namespace convoy {
namespace {

// Of the first `count` positions of all epochs, those of lanes below `lane`.
std::uint64_t taken(const SamplerOptions& options, std::uint64_t count, std::uint64_t lane) {
  const std::uint64_t share = options.global_batch / options.lanes * lane;  // of each batch
  return count / options.global_batch * share + std::min(count % options.global_batch, share);
}

}  // namespace

Sampler::Sampler(std::uint64_t samples, std::uint64_t seed, Order order)
    : samples_(samples), options_{.order = order, .seed = seed} {
  require(samples > 0, ExitCode::data, "sampler", "there are no samples to draw from");
  require(order == Order::full || order == Order::sequential, ExitCode::internal, "sampler",
          "this order needs to know the data set");
}

Sampler::Sampler(const Dataset& dataset, const SamplerOptions& options)
    : samples_(dataset.size()), options_(options), total_bytes_(dataset.bytes()) {
  require(samples_ > 0, ExitCode::data, dataset.split(), "there are no samples to draw from");
  require(
      options.lanes > 0 && options.global_batch % options.lanes == 0 && options.global_batch > 0,
      ExitCode::internal, "sampler", "a batch of {} in {} lanes", options.global_batch,
      options.lanes);
  block_ = std::clamp<std::uint64_t>(options.block_bytes * samples_ / total_bytes_, 1, samples_);
  blocks_ = (samples_ + block_ - 1) / block_;
  if (options.order == Order::balanced) classes_ = sort_classes(dataset, options.class_weights);
}

std::shared_ptr<const Sampler::Classes> Sampler::sort_classes(const Dataset& dataset,
                                                              const std::vector<double>& weights) {
  const auto count = static_cast<std::size_t>(dataset.classes());
  require(weights.empty() || weights.size() == count, ExitCode::config, "data.class_weights",
          "has {} weights, expected one for each of {} classes", weights.size(), count);
  Classes classes;
  classes.first.resize(count + 1);
  const std::vector<std::span<const std::int32_t>> shards = dataset.labels();
  for (const auto labels : shards) {
    for (const std::int32_t label : labels) {
      if (label >= 0) ++classes.first[static_cast<std::size_t>(label) + 1];
    }
  }
  double sum = 0;
  for (std::size_t c = 0; c < count; ++c) {
    const std::uint64_t members = classes.first[c + 1];
    const double weight = weights.empty() ? (members > 0 ? 1 : 0) : weights[c];
    require(weight == 0 || members > 0, ExitCode::config, "data.class_weights",
            "class {} has weight {}, but no samples", dataset.class_names()[c], weight);
    classes.ends.push_back(sum += weight);
  }
  require(sum > 0, ExitCode::config, "data.class_weights", "are all 0, or no sample has a label");
  std::partial_sum(classes.first.begin(), classes.first.end(), classes.first.begin());
  classes.members.resize(classes.first.back());
  std::vector<std::uint64_t> next = classes.first;
  std::uint64_t index = 0;
  for (const auto labels : shards) {
    for (const std::int32_t label : labels) {
      if (label >= 0) classes.members[next[static_cast<std::size_t>(label)]++] = index;
      ++index;
    }
  }
  return std::make_shared<const Classes>(std::move(classes));
}

std::uint64_t Sampler::index(std::uint32_t epoch, std::uint64_t position) const {
  switch (options_.order) {
    case Order::sequential:
      return position;
    case Order::blocked:
      return mixed(epoch, stretch(epoch, position));
    case Order::balanced:
      return drawn(epoch, position);
    case Order::full:
      break;
  }
  return Permutation(samples_, options_.seed, RandomUse::order, epoch).at(position);
}

std::uint64_t Sampler::drawn(std::uint32_t epoch, std::uint64_t position) const {
  Random random(options_.seed, RandomUse::balanced_order, position, epoch);
  const std::uint64_t bits = std::uint64_t{random()} << 32 | random();
  const double point = static_cast<double>(bits >> 11) * 0x1.0p-53 * classes_->ends.back();
  const auto end = std::upper_bound(classes_->ends.begin(), classes_->ends.end() - 1, point);
  const auto label = static_cast<std::size_t>(end - classes_->ends.begin());
  const std::uint64_t first = classes_->first[label];
  return classes_->members[first + random.below(static_cast<std::uint32_t>(
                                       classes_->first[label + 1] - first))];
}

// The lanes divide an epoch's sequence as they divide its positions, which begin anywhere in a
// batch: each gets as many places as it has positions.
Sampler::Stretch Sampler::stretch(std::uint32_t epoch, std::uint64_t position) const {
  const std::uint64_t start = epoch * samples_;
  const std::uint64_t lane = (start + position) % options_.global_batch / rows();
  const auto within = [&](std::uint64_t end, std::uint64_t l) {  // the epoch's positions below end
    return taken(options_, end, l) - taken(options_, start, l);
  };
  const std::uint64_t begin = within(start + samples_, lane);
  const std::uint64_t before = within(start + position, lane + 1) - within(start + position, lane);
  return {begin, within(start + samples_, lane + 1), begin + before, lane};
}

std::uint64_t Sampler::mixed(std::uint32_t epoch, const Stretch& s) const {
  const std::uint64_t window_samples = options_.window_blocks * block_;
  const std::uint64_t window = (s.at - s.begin) / window_samples;
  const std::uint64_t begin = s.begin + window * window_samples;
  const std::uint64_t size = std::min(window_samples, s.end - begin);
  Random key(options_.seed, RandomUse::window_key, s.lane << 32 | window, epoch);
  const std::uint64_t seed = std::uint64_t{key()} << 32 | key();
  const Permutation order(size, seed, RandomUse::window_order, epoch);
  return in_block(epoch, begin + order.at(s.at - begin));
}

// The sample at a place of the epoch's sequence of blocks, among which the short one is anywhere.
std::uint64_t Sampler::in_block(std::uint32_t epoch, std::uint64_t place) const {
  const Permutation order(blocks_, options_.seed, RandomUse::block_order, epoch);
  const std::uint64_t missing = blocks_ * block_ - samples_;
  if (missing > 0 && place >= (order.place_of(blocks_ - 1) + 1) * block_ - missing) {
    place += missing;
  }
  return order.at(place / block_) * block_ + place % block_;
}

void Sampler::upcoming(std::uint32_t epoch, std::uint64_t position, const Visit& visit) const {
  if (options_.prefetch_steps == 0) return;
  std::uint64_t steps = options_.prefetch_steps;
  if (options_.order == Order::blocked) {
    steps += (options_.window_blocks * block_ + rows() - 1) / rows();
  }
  const std::uint64_t first = epoch * samples_ + position + steps * options_.global_batch;
  std::uint64_t begin = 0, end = 0;
  for (std::uint64_t p = first; p < first + rows(); ++p) {
    const auto its_epoch = static_cast<std::uint32_t>(p / samples_);
    // Whole windows are read in the order of their blocks.
    const std::uint64_t sample = options_.order == Order::blocked
                                     ? in_block(its_epoch, stretch(its_epoch, p % samples_).at)
                                     : index(its_epoch, p % samples_);
    if (sample != end) {
      if (end > begin) visit(begin, end);
      begin = sample;
    }
    end = sample + 1;
  }
  visit(begin, end);
}

std::string Sampler::describe() const {
  switch (options_.order) {
    case Order::sequential:
      return "order sequential: as stored, the same each epoch";
    case Order::balanced:
      return fmt::format("order balanced: {} draws an epoch with replacement, {}", samples_,
                         options_.class_weights.empty() ? "each class as often as another"
                                                        : "classes by data.class_weights");
    case Order::blocked: {
      const std::uint64_t mixed =
          std::min(samples_, options_.lanes * options_.window_blocks * block_);
      const double mean_mib =
          static_cast<double>(total_bytes_) / static_cast<double>(samples_) / (1 << 20);
      return fmt::format(
          "order blocked: {} blocks of {} samples ({:.2f} MiB); a batch draws from {} lanes of {} "
          "blocks, {} samples ({:.1f} % of all); reads {:.0f} MiB ahead",
          blocks_, block_, mean_mib * static_cast<double>(block_), options_.lanes,
          options_.window_blocks, mixed,
          100.0 * static_cast<double>(mixed) / static_cast<double>(samples_),
          mean_mib * static_cast<double>(mixed));
    }
    case Order::full:
      break;
  }
  return fmt::format("order full: another permutation of all {} samples each epoch", samples_);
}

}  // namespace convoy
