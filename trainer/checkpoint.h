// Checkpoints: all that a run needs to go on, bit for bit, on any number of ranks.
//
//   checkpoints/step-00001234/
//     model.safetensors   parameters and running statistics under torchvision's names, logical
//                         shapes; bytes depend on the weights alone
//     state.safetensors   optimizer state
//     ema.safetensors     in the form of model.safetensors, the average of all that it holds; only
//                         of runs that keep one
//     progress.json       the members of Progress
//     manifest.json       {"format": "convoy-checkpoint/1", "step": 1234, "files":
//                           {"model.safetensors": {"bytes": ..., "sha256": "..."}, ...}}
//
// A checkpoint is whole if its manifest is, and every file has the size and digest that the
// manifest gives. It is written as step-00001234.tmp.HOST.PID (manifest last), every file and the
// folder fsynced, read back, renamed, and the parent fsynced: under its final name it is whole, and
// once save_checkpoint returned it survives a power cut. Old checkpoints go only after that:
// renamed to step-00001234.trash.HOST.PID, then deleted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/core/dtype.h"
#include "ops/core/shape.h"
#include "trainer/safetensors.h"

namespace convoy {

// Where a run stands. Nothing here depends on the number of ranks.
struct Progress {
  std::uint64_t step = 0;      // optimizer steps done
  std::uint64_t position = 0;  // samples consumed since the start of the run
  std::uint64_t seed = 0;
  int lanes = 1;
  int global_batch = 0;
  std::string model;                      // name and settings of the network
  std::string dataset;                    // digest of the training set's manifest
  std::string numerics;                   // what else the bits depend on: instruction set, threads
  std::string config;                     // the resolved configuration
  std::vector<std::string> classes;       // in the order of the labels
  int restarts = 0;                       // resumes since the start of the run
  std::map<std::string, double> metrics;  // "best_top1", ...; NaN and infinities become NaN

  bool operator==(const Progress&) const = default;
};

// Named tensors that own their memory. put() keeps the memory of the save before.
struct OwnedTensor {
  DType dtype = DType::f32;
  Shape shape;
  std::vector<std::byte> bytes;
};
using TensorMap = std::map<std::string, OwnedTensor, std::less<>>;

// The tensor's bytes, to be filled; allocates only if the name is new or the size has changed.
std::span<std::byte> put(TensorMap& tensors, std::string_view name, DType dtype, Shape shape);
// Likewise, as floats.
std::span<float> put_floats(TensorMap& tensors, std::string_view name, Shape shape);

struct Snapshot {
  Progress progress;
  TensorMap model;
  TensorMap state;
  TensorMap average;  // empty: none is kept
};

// Saves `snapshot` as folder/step-N, durably, then leaves only the `keep` newest of the checkpoints
// up to N. A checkpoint of the same step is replaced. Creates `folder` if it is missing.
// Error(storage), with nothing left under a final name.
void save_checkpoint(const std::filesystem::path& folder, const Snapshot& snapshot, int keep);

// Deletes what interrupted saves of dead processes left in `folder`. Call it with the run folder's
// lock held.
void clean_checkpoints(const std::filesystem::path& folder);

struct LoadedCheckpoint {
  std::filesystem::path folder;
  std::string digest;  // of the manifest: equal digests mean equal checkpoints
  Progress progress;
  Safetensors model;
  Safetensors state;
  std::optional<Safetensors> average;  // none: the run keeps none
};

// Error(data) unless it is whole.
LoadedCheckpoint load_checkpoint(const std::filesystem::path& step_folder);

// The newest whole checkpoint below `folder`; warns of each newer one that is not whole. None if
// there is no checkpoint at all. Error(data) if there are some, but none whole: a run must not
// start from nothing in silence.
std::optional<LoadedCheckpoint> load_newest(const std::filesystem::path& folder);

// Of a checkpoint's own folder that one, of a run folder the newest whole one. Error(data) if there
// is none.
LoadedCheckpoint find_checkpoint(const std::filesystem::path& source);

// Saves in a thread of its own, one at a time. Failures are logged and counted; training goes on
// until `max_failures` in a row.
class CheckpointWriter {
 public:
  struct Options {
    std::filesystem::path folder;  // "runs/NAME/checkpoints"
    int keep = 3;
    int max_failures = 3;
  };
  explicit CheckpointWriter(Options options);
  ~CheckpointWriter();  // after the save in flight
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // A save is in flight: save_async would skip or wait.
  bool busy() const;

  enum class IfBusy { skip, wait };
  // Takes the snapshot's contents and gives back those of an earlier one, to be filled again
  // without allocating. False if it skipped. Error(storage) after max_failures in a row.
  bool save_async(Snapshot& snapshot, IfBusy if_busy = IfBusy::skip);
  // Until nothing is in flight. True if the last snapshot handed over is durable.
  bool wait();

  int failures() const;                // in all
  std::string last_error() const;      // of the last failure
  std::uint64_t durable_step() const;  // of the newest saved by this writer; 0: none

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace convoy
