// Loader: threads that read, check, decode and transform samples into a ring of preallocated slots,
// in a fixed order.
//
// A slot holds one micro-batch. The caller says which samples belong to slot k; the loader works
// ahead and hands the slots out by number, so that several lane workers can each take theirs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "data/bad_samples.h"
#include "data/dataset.h"
#include "data/loader_times.h"
#include "data/mix.h"
#include "data/transform.h"
#include "ops/core/trace.h"

namespace convoy {

// Which sample fills a row of a slot. present = false leaves the row zero with label -1.
struct RowKey {
  std::uint64_t index = 0;
  std::uint32_t epoch = 0;
  bool present = true;
  int view = 0;  // which of the loader's pipelines prepares it
};

struct LoaderOptions {
  int threads = 1;
  int rows = 1;            // samples per slot
  int ahead = 4;           // slots in the ring
  std::uint64_t seed = 0;  // of the random transforms
  std::uint64_t first_slot = 0;
  std::uint64_t end_slot = ~0ull;  // slots [first_slot, end_slot) will be made
  // How the samples of a slot are mixed; none: they never are. A pure function. The row asked for
  // as -1 is then the partner of row 0.
  std::function<Mix(std::uint64_t slot)> mix;
  int classes = 0;  // of soft labels, where samples are mixed
  // Called by a loader thread when it begins a slot: the moment to have later ones read ahead.
  std::function<void(std::uint64_t slot)> on_begin;
  BadSamples bad_samples = BadSamples::fail;
  int most_bad_samples = 100;  // different ones
};

struct Batch {
  std::uint64_t slot;
  std::span<const float> images;  // [rows, C, H, W], 64-byte aligned
  // [rows], -1 where absent; of mixed samples that with the larger share.
  std::span<const std::int32_t> labels;
  std::span<const std::uint64_t> sample_ids;  // 0 where absent
  // [rows, classes]; empty unless the samples are mixed.
  std::span<const float> soft_labels{};
};

// [C, H, W] of what `pipeline` makes of the data set's images; of features, which no pipeline
// changes, [1, channels, pixels]. Error(config) if neither the transforms nor the images have one
// size, and for transforms of features.
Shape output_shape(const Dataset& dataset, const Pipeline& pipeline);

// Hands out micro-batches by number. What trains on them need not know where they come from.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  // Several threads may wait for different slots. What the Batch spans belongs to the caller until
  // release().
  virtual Batch acquire(std::uint64_t slot) = 0;
  virtual void release(const Batch& batch) = 0;
  // Seconds for which acquire() has blocked since the last call, over all callers.
  virtual double take_wait_seconds() = 0;
};

class Loader : public BatchSource {
 public:
  // `dataset` must outlive the loader. `row(slot, r)` is called by loader threads; it must be a
  // pure function. All views make images of one shape.
  Loader(const Dataset& dataset, std::vector<Pipeline> views, LoaderOptions options,
         std::function<RowKey(std::uint64_t slot, int row)> row);
  Loader(const Dataset& dataset, Pipeline pipeline, LoaderOptions options,
         std::function<RowKey(std::uint64_t slot, int row)> row);
  ~Loader() override;  // stops and joins

  Shape image_shape() const;  // [C, H, W]
  // The ring, and what scratch of all threads can grow to, in bytes. Nothing else is ever taken.
  struct Memory {
    int threads = 0;
    int slots = 0;
    std::uint64_t ring = 0;
    std::uint64_t scratch = 0;
  };
  Memory memory() const;
  // Waits for slot k, which is made once slot k - ahead is released. Throws the error of the first
  // row that fails for its slot and all later ones: the slots before it are still handed out, for
  // any number of threads. Error(internal) for a slot outside the range or acquired before.
  Batch acquire(std::uint64_t slot) override;
  void release(const Batch& batch) override;
  double take_wait_seconds() override { return take_times().wait; }
  // Since the last call.
  LoaderTimes take_times();
  // From now on adds what each thread does to a track of its own, one for each of memory().threads;
  // to none, where `tracks` is empty. The tracks must outlive that.
  void trace(std::span<Track> tracks);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace convoy
