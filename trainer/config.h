// Config: every setting of a run, with its default. A YAML file and --set overrides become these
// structs; an unknown key, a wrong type or a value out of range is an Error(config) that names
// file, line and key.
//
// To add a setting: a member here, and its line in the field list of its struct in
// config_fields.h,
// which reads, checks and prints it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/bad_samples.h"
#include "data/mix.h"
#include "data/sampler.h"
#include "data/transform.h"
#include "ops/activation.h"
#include "ops/backend.h"
#include "ops/pool.h"

namespace convoy {

enum class LossKind { softmax, squared_error };

struct ModelConfig {
  std::string name = "resnet20";  // one of models()
  int classes = 0;                // 0: as many as the training split has
  double width = 1;               // times as many channels and hidden units, in eights
  std::optional<double> dropout;  // of all its dropout layers; not given: as it was published
  LossKind loss = LossKind::softmax;
  double label_smoothing = 0;    // in training: share of the target that all classes divide
  bool zero_init_gamma = false;  // residual blocks begin as their shortcuts
  bool auxiliary_heads = true;   // GoogLeNet alone: in training
  bool tf_padding = false;       // MobileNet alone: as TensorFlow pads, for its weights
  // Of batch norm; not given: as the model was published.
  std::optional<double> norm_epsilon;
  std::optional<double> norm_momentum;  // share of a step's statistics in the running ones
  // Batch norm over the whole global batch rather than over each lane. The lanes of a rank then run
  // at once, on threads of their own.
  bool synchronised_norm = false;
  // Above 0: the network is the one for square images of this size, slid over larger ones, and its
  // scores are means over all windows.
  int window = 0;
  // LeNet-5 alone: today's habits by default; tanh and average are those of 1998.
  ActivationKind activation = ActivationKind::relu;
  PoolKind pooling = PoolKind::max;
};

struct DataConfig {
  std::string path;                       // folder with manifest.h5, as `convoy pack` makes it
  std::string train = "train";            // split to train on
  std::string validation = "validation";  // split to evaluate on; "": no evaluation
  // full: a new permutation of all samples each epoch; blocked: likewise, but reads are local;
  // balanced: classes by their weights; sequential (data/sampler.h).
  Order order = Order::full;
  double block_mib = 8;               // blocked: MiB that are read as one
  int window = 16;                    // blocked: blocks that each lane mixes at once
  std::vector<double> class_weights;  // balanced: chance of each class; empty: all alike
  int prefetch = 2;  // steps that the system reads ahead (but of tiny images); 0: none
  // What becomes of samples that cannot be used: fail; substitute: another sample takes the row;
  // skip: the row is empty (zeros, which batch-norm statistics see) and the loss is the mean over
  // the others. Evaluation never substitutes: it skips.
  BadSamples bad_samples = BadSamples::fail;
  int max_bad_samples = 100;        // different ones that a rank bears
  std::vector<Transform> augment;   // of training images, in this order
  std::vector<Transform> evaluate;  // of evaluation images
  MixSettings mix;                  // mixup and CutMix of training images; off by default
  int channels = 3;                 // 1 makes colour images grey, 3 repeats grey ones
  std::vector<double> mean, std;    // of pixels in [0, 1]; empty: the training split's
  bool partial_decode = true;  // of JPEGs, where only a part is seen; false: the same bits, slower
  int loader_threads = 0;      // per rank; 0: as many as worker threads
  int ahead = 0;               // micro-batches prepared per rank; 0: two steps' worth
};

struct BatchConfig {
  int global = 128;  // samples of one optimizer step, over all ranks
  // Micro-batches that the global batch is cut into, each with its own batch-norm statistics: part
  // of the result, and the largest number of ranks. 0: the largest divisor up to 8.
  int lanes = 0;
};

enum class OptimizerKind { sgd, lars, adam, adamw, lamb };
// The others have a momentum.
constexpr bool has_moments(OptimizerKind kind) {
  return kind != OptimizerKind::sgd && kind != OptimizerKind::lars;
}

// Parameters that are treated in their own way.
struct ParameterGroup {
  std::string match;                   // fnmatch(3) pattern over names: "fc.*", "*.bias"
  double lr_scale = 1;                 // of the learning rate
  std::optional<double> weight_decay;  // none: optimizer.weight_decay
};

struct OptimizerConfig {
  OptimizerKind name = OptimizerKind::sgd;
  double lr = 0.1;        // peak learning rate, as it is; adam, adamw and lamb: 0.001 if not given
  double lr_per_256 = 0;  // above 0: lr = lr_per_256 * batch.global / 256 (Goyal et al., 2017)
  double momentum = 0.9;  // sgd, lars
  bool nesterov = false;  // sgd, lars
  double beta1 = 0.9;     // adam, adamw, lamb: what stays of the first moment each step,
  double beta2 = 0.999;   //   of the second,
  double epsilon = 1e-8;  //   and what is added to its root
  double trust = 0.001;   // lars: the trust coefficient
  double weight_decay = 0;   // sgd, lars, adam: of the gradient; adamw, lamb: beside it
  bool decay_norms = false;  // also decay biases and batch-norm scales and shifts, and adapt their
                             // rates (lars, lamb)
  double clip_norm = 0;      // above 0: longest gradient, as torch.nn.utils.clip_grad_norm_ cuts it
  std::vector<ParameterGroup> groups;  // of those that match a parameter, the first counts
};

// The beginning of a tensor's name in a file, and what stands in its place here.
struct Renaming {
  std::string from, to;
};

// Where a run's first weights come from, beside chance.
struct InitConfig {
  std::string weights;  // "": none; a safetensors file, a run folder, or a checkpoint
  // Of the layers behind features, in the place of what `weights` has for them; "": none. A run on
  // features, one of its checkpoints, or a file.
  std::string head;
  std::vector<std::string> skip;  // patterns of parameters that begin at random all the same
  std::vector<Renaming> rename;   // of those that fit a name the first counts
  // Patterns of convolutions' weights, whose first filters begin by passing a channel on each.
  std::vector<std::string> identity;
  // A convolution on the images that begins as the whitening of training images' patches (see
  // whitening.h); to be frozen, if it is to stay so.
  std::string whiten;
};

// The exponential moving average of weights and running statistics alike, as timm's ModelEmaV2
// keeps it. Where it is on, it is what evaluation sees.
struct EmaConfig {
  double decay = 0;  // what stays of the average each step, say 0.999; 0: off
};

enum class ScheduleKind { constant, step, cosine, polynomial, one_cycle };
enum class Anneal { cosine, linear };

struct ScheduleConfig {
  ScheduleKind name = ScheduleKind::constant;
  double warmup_epochs = 0;       // linear from lr / warm-up steps up to lr; not for one_cycle
  std::vector<double> epochs;     // step: where the rate falls,
  double every_epochs = 0;        //   or, above 0 and without `epochs`: how often it does,
  double factor = 0.1;            //   and by what
  double final_fraction = 0.0;    // cosine, polynomial: of lr, at the end of the run
  double power = 1;               // polynomial: 1 is a straight line
  double pct_start = 0.3;         // one_cycle, as torch.optim.lr_scheduler.OneCycleLR: share of the
  double div_factor = 25;         //   steps that rise, lr / first rate,
  double final_div_factor = 1e4;  //   first / last rate,
  Anneal anneal = Anneal::cosine;  //   and the shape of the way up and down
};

// Views of a sample whose probabilities are averaged: as it is; also flipped; the corners and the
// centre in the place of a center_crop that comes last; those, then those of the flipped image.
enum class Crops { one, flip, five, ten };

struct EvaluationConfig {
  int every_epochs = 1;  // 0: after the last step alone
  int batch = 100;       // samples per forward pass: fixed, so that results do not depend on ranks
  Crops crops = Crops::one;
};

struct CheckpointConfig {
  int every_epochs = 1;          // 0: never for this reason
  std::int64_t every_steps = 0;  // likewise
  int keep = 3;                  // newest ones kept
};

// Which steps to trace: see trainer/tracing.h.
struct TraceConfig {
  std::int64_t first_step = 0;
  int steps = 0;  // 0: none
};

// What training does with activations that backward needs.
enum class MemoryUse {
  keep,       // all stay until then
  recompute,  // most are dropped and computed again: less memory, a third more time, the same
              // result
};

struct Config {
  std::string name = "run";
  std::string run_folder;  // "": runs/NAME
  std::uint64_t seed = 1;  // of weights, order and augmentation
  int epochs = 10;  // passes over the training split; the step that completes the last ends it
  std::int64_t steps = 0;  // above 0: this many steps instead
  ModelConfig model;
  InitConfig init;
  // fnmatch(3) patterns of parameters that are not trained, "features.*": whole layers. Their
  // batch-norms keep their running statistics and normalise by them.
  std::vector<std::string> freeze;
  DataConfig data;
  BatchConfig batch;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  EmaConfig ema;
  EvaluationConfig evaluation;
  CheckpointConfig checkpoint;
  std::string backend = "onednn";  // onednn | reference
  // Fast paths, which round differently; to be turned off for comparison.
  bool winograd = true;  // convolutions by Winograd's algorithm where it is faster
  // fp32 | bf16 | auto: what the other convolutions multiply in; sums, weights and all else are
  // float. Empty is auto: measured when a run begins, and kept by it; fp32 where nothing is
  // trained.
  std::optional<Precision> precision = Precision::fp32;
  bool fuse = true;                    // neighbouring ops in one pass over memory
  MemoryUse memory = MemoryUse::keep;  // keep | recompute
  int threads = 0;                     // worker threads per rank; 0: its share of the host's cores
  int threads_per_lane = 1;            // OpenMP threads inside one lane: part of the result
  TraceConfig trace;
  int log_every_steps = 50;
  double deadline_seconds = 300;  // for any wait on another rank
};

// `overrides` are "key.key=value" with the value in YAML. Automatic values that depend on the
// configuration alone (lanes, lr, run_folder) are filled in.
Config load_config(const std::filesystem::path& file,
                   const std::vector<std::string>& overrides = {});
// The same from text; `name` stands for the file in errors.
Config parse_config(const std::string& text, std::string_view name,
                    const std::vector<std::string>& overrides = {});

// As YAML that parse_config reads back to the same configuration.
std::string to_yaml(const Config& config);
// The model and its settings on one line: what a checkpoint remembers.
std::string to_text(const ModelConfig& model);
// How images are prepared for evaluation, on one line: channels, transforms, normalisation.
std::string preparation_of(const DataConfig& data);
std::string to_text(OptimizerKind kind);

}  // namespace convoy
