// The field lists of the configuration: one per struct of config.h, each serving reading, range
// checks, the search for unknown keys, and printing.
//
// A visitor has
//   field(name, value, range)      numbers, texts, true/false, lists of these, numbers that may be
//                                  absent
//   choice(name, value, choices)   one of a few named values
//   section(name, value)           a struct
//   list(name, values)             a list of structs
//   transforms(name, values)       a list of transforms
#pragma once

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "trainer/config.h"
#include "trainer/models/models.h"

namespace convoy {

// What a number may be; the ends belong to the range unless `above`.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool above = false;  // `min` itself is too small

  bool holds(double x) const { return (above ? x > min : x >= min) && x <= max; }
};

template <class T>
using Choices = std::vector<std::pair<std::string, T>>;

inline Choices<std::string> model_names() {
  Choices<std::string> choices;
  for (const Model& model : models) choices.emplace_back(model.name, model.name);
  return choices;
}

// In the order of the variant.
inline const Choices<Transform>& transform_kinds() {
  static const Choices<Transform> kinds = {{"resize", Resize{}},
                                           {"resize_exact", ResizeExact{}},
                                           {"center_crop", CenterCrop{}},
                                           {"pad_and_crop", PadAndCrop{}},
                                           {"flip", HorizontalFlip{}},
                                           {"random_resized_crop", RandomResizedCrop{}},
                                           {"cutout", Cutout{}},
                                           {"vertical_flip", VerticalFlip{}},
                                           {"rotation", RandomRotation{}},
                                           {"affine", RandomAffine{}},
                                           {"color_jitter", ColorJitter{}},
                                           {"grayscale", RandomGrayscale{}},
                                           {"rand_augment", RandAugment{}},
                                           {"lighting", Lighting{}},
                                           {"erasing", RandomErasing{}},
                                           {"corner_crop", CornerCrop{}},
                                           {"trivial_augment", TrivialAugment{}},
                                           {"pad", Pad{}}};
  return kinds;
}

inline const Choices<Interpolation>& interpolations() {
  static const Choices<Interpolation> all = {{"nearest", Interpolation::nearest},
                                             {"bilinear", Interpolation::bilinear}};
  return all;
}

inline const Choices<PadMode>& pad_modes() {
  static const Choices<PadMode> all = {{"constant", PadMode::constant},
                                       {"edge", PadMode::edge},
                                       {"reflect", PadMode::reflect},
                                       {"symmetric", PadMode::symmetric}};
  return all;
}

inline const Choices<Crops>& crop_choices() {
  static const Choices<Crops> all = {
      {"one", Crops::one}, {"flip", Crops::flip}, {"five", Crops::five}, {"ten", Crops::ten}};
  return all;
}

inline const Choices<OptimizerKind>& optimizer_kinds() {
  static const Choices<OptimizerKind> kinds = {{"sgd", OptimizerKind::sgd},
                                               {"lars", OptimizerKind::lars},
                                               {"adam", OptimizerKind::adam},
                                               {"adamw", OptimizerKind::adamw},
                                               {"lamb", OptimizerKind::lamb}};
  return kinds;
}

constexpr Range at_least_0{.min = 0};
constexpr Range at_least_1{.min = 1};
constexpr Range above_0{.min = 0, .above = true};
constexpr Range share{.min = 0, .max = 1};

template <class V>
void fields(V& v, Resize& t) {
  v.field("size", t.size, at_least_1);
}
template <class V>
void fields(V& v, ResizeExact& t) {
  v.field("height", t.height, at_least_1);
  v.field("width", t.width, at_least_1);
}
template <class V>
void fields(V& v, CenterCrop& t) {
  v.field("size", t.size, at_least_1);
}
template <class V>
void fields(V& v, PadAndCrop& t) {
  v.field("size", t.size, at_least_1);
  v.field("pad", t.pad, at_least_0);
  v.choice("mode", t.mode, pad_modes());
}
template <class V>
void fields(V& v, Pad& t) {
  v.field("size", t.size, at_least_0);
  v.choice("mode", t.mode, pad_modes());
}
template <class V>
void fields(V& v, CornerCrop& t) {
  v.field("size", t.size, at_least_1);
  v.choice("corner", t.corner,
           Choices<Corner>{{"top_left", Corner::top_left},
                           {"top_right", Corner::top_right},
                           {"bottom_left", Corner::bottom_left},
                           {"bottom_right", Corner::bottom_right},
                           {"center", Corner::center}});
}
template <class V>
void fields(V& v, HorizontalFlip& t) {
  v.field("probability", t.probability, share);
  v.field("alternate", t.alternate);
}

template <class V>
void fields(V& v, RandomResizedCrop& t) {
  v.field("size", t.size, at_least_1);
  v.field("min_area", t.min_area, share);
  v.field("max_area", t.max_area, share);
  v.field("min_ratio", t.min_ratio, above_0);
  v.field("max_ratio", t.max_ratio, above_0);
}
template <class V>
void fields(V& v, Cutout& t) {
  v.field("size", t.size, at_least_1);
}

template <class V>
void fields(V& v, VerticalFlip& t) {
  v.field("probability", t.probability, share);
}
template <class V>
void fields(V& v, RandomRotation& t) {
  v.field("degrees", t.degrees, at_least_0);
  v.choice("interpolation", t.interpolation, interpolations());
}
template <class V>
void fields(V& v, RandomAffine& t) {
  v.field("degrees", t.degrees, at_least_0);
  v.field("translate_x", t.translate_x, share);
  v.field("translate_y", t.translate_y, share);
  v.field("min_scale", t.min_scale, above_0);
  v.field("max_scale", t.max_scale, above_0);
  v.field("shear_x", t.shear_x, {.min = 0, .max = 89});
  v.field("shear_y", t.shear_y, {.min = 0, .max = 89});
  v.choice("interpolation", t.interpolation, interpolations());
}
template <class V>
void fields(V& v, ColorJitter& t) {
  v.field("brightness", t.brightness, at_least_0);
  v.field("contrast", t.contrast, at_least_0);
  v.field("saturation", t.saturation, at_least_0);
  v.field("hue", t.hue, {.min = 0, .max = 0.5});
}
template <class V>
void fields(V& v, RandomGrayscale& t) {
  v.field("probability", t.probability, share);
}
template <class V>
void fields(V& v, RandAugment& t) {
  v.field("ops", t.ops, at_least_0);
  v.field("magnitude", t.magnitude, at_least_0);
  v.field("bins", t.bins, {.min = 2});
}
template <class V>
void fields(V& v, TrivialAugment& t) {
  v.field("bins", t.bins, {.min = 2});
}
template <class V>
void fields(V& v, Lighting& t) {
  v.field("std", t.std, at_least_0);
}
template <class V>
void fields(V& v, RandomErasing& t) {
  v.field("probability", t.probability, share);
  v.field("min_area", t.min_area, share);
  v.field("max_area", t.max_area, share);
  v.field("min_ratio", t.min_ratio, above_0);
  v.field("max_ratio", t.max_ratio, above_0);
  v.field("value", t.value);
  v.field("noise", t.noise);
}

template <class V>
void fields(V& v, ModelConfig& c) {
  v.choice("name", c.name, model_names());
  v.field("classes", c.classes, at_least_0);
  v.field("width", c.width, above_0);
  v.field("dropout", c.dropout, {.min = 0, .max = 0.99});
  v.choice("loss", c.loss,
           Choices<LossKind>{{"softmax", LossKind::softmax},
                             {"squared_error", LossKind::squared_error}});
  v.field("label_smoothing", c.label_smoothing, {.min = 0, .max = 0.99});
  v.field("zero_init_gamma", c.zero_init_gamma);
  v.field("auxiliary_heads", c.auxiliary_heads);
  v.field("tf_padding", c.tf_padding);
  v.field("norm_epsilon", c.norm_epsilon, above_0);
  v.field("norm_momentum", c.norm_momentum, share);
  v.field("synchronised_norm", c.synchronised_norm);
  v.field("window", c.window, at_least_0);
  v.choice("activation", c.activation,
           Choices<ActivationKind>{{"relu", ActivationKind::relu},
                                   {"relu6", ActivationKind::relu6},
                                   {"sigmoid", ActivationKind::sigmoid},
                                   {"tanh", ActivationKind::tanh}});
  v.choice("pooling", c.pooling,
           Choices<PoolKind>{
               {"max", PoolKind::max}, {"average", PoolKind::average}, {"l2", PoolKind::l2}});
}

template <class V>
void fields(V& v, MixSettings& m) {
  v.field("mixup", m.mixup, at_least_0);
  v.field("cutmix", m.cutmix, at_least_0);
  v.field("probability", m.probability, share);
  v.field("cutmix_share", m.cutmix_share, share);
}

template <class V>
void fields(V& v, DataConfig& c) {
  v.field("path", c.path);
  v.field("train", c.train);
  v.field("validation", c.validation);
  v.choice("order", c.order,
           Choices<Order>{{"full", Order::full},
                          {"sequential", Order::sequential},
                          {"blocked", Order::blocked},
                          {"balanced", Order::balanced}});
  v.field("block_mib", c.block_mib, above_0);
  v.field("window", c.window, at_least_1);
  v.field("class_weights", c.class_weights, at_least_0);
  v.field("prefetch", c.prefetch, at_least_0);
  v.choice("bad_samples", c.bad_samples,
           Choices<BadSamples>{{"fail", BadSamples::fail},
                               {"substitute", BadSamples::substitute},
                               {"skip", BadSamples::skip}});
  v.field("max_bad_samples", c.max_bad_samples, at_least_0);
  v.transforms("augment", c.augment);
  v.transforms("evaluate", c.evaluate);
  v.section("mix", c.mix);
  v.field("channels", c.channels, {.min = 1, .max = 3});
  v.field("mean", c.mean);
  v.field("std", c.std, above_0);
  v.field("partial_decode", c.partial_decode);
  v.field("loader_threads", c.loader_threads, at_least_0);
  v.field("ahead", c.ahead, at_least_0);
}

template <class V>
void fields(V& v, BatchConfig& c) {
  v.field("global", c.global, at_least_1);
  v.field("lanes", c.lanes, at_least_0);
}

template <class V>
void fields(V& v, ParameterGroup& g) {
  v.field("match", g.match);
  v.field("lr_scale", g.lr_scale, at_least_0);
  v.field("weight_decay", g.weight_decay, at_least_0);
}

template <class V>
void fields(V& v, OptimizerConfig& c) {
  v.choice("name", c.name, optimizer_kinds());
  v.field("lr", c.lr, at_least_0);
  v.field("lr_per_256", c.lr_per_256, at_least_0);
  v.field("momentum", c.momentum, {.min = 0, .max = 0.9999});
  v.field("nesterov", c.nesterov);
  v.field("beta1", c.beta1, {.min = 0, .max = 0.9999});
  v.field("beta2", c.beta2, {.min = 0, .max = 0.999999});
  v.field("epsilon", c.epsilon, above_0);
  v.field("trust", c.trust, above_0);
  v.field("weight_decay", c.weight_decay, at_least_0);
  v.field("decay_norms", c.decay_norms);
  v.field("clip_norm", c.clip_norm, at_least_0);
  v.list("groups", c.groups);
}

template <class V>
void fields(V& v, Renaming& r) {
  v.field("from", r.from);
  v.field("to", r.to);
}

template <class V>
void fields(V& v, InitConfig& c) {
  v.field("weights", c.weights);
  v.field("head", c.head);
  v.field("skip", c.skip);
  v.list("rename", c.rename);
  v.field("identity", c.identity);
  v.field("whiten", c.whiten);
}

template <class V>
void fields(V& v, EmaConfig& c) {
  v.field("decay", c.decay, {.min = 0, .max = 0.999999});
}

template <class V>
void fields(V& v, ScheduleConfig& c) {
  v.choice("name", c.name,
           Choices<ScheduleKind>{{"constant", ScheduleKind::constant},
                                 {"step", ScheduleKind::step},
                                 {"cosine", ScheduleKind::cosine},
                                 {"polynomial", ScheduleKind::polynomial},
                                 {"one_cycle", ScheduleKind::one_cycle}});
  v.field("warmup_epochs", c.warmup_epochs, at_least_0);
  v.field("epochs", c.epochs, at_least_0);
  v.field("every_epochs", c.every_epochs, at_least_0);
  v.field("factor", c.factor, {.min = 0, .max = 1, .above = true});
  v.field("final_fraction", c.final_fraction, share);
  v.field("power", c.power, above_0);
  v.field("pct_start", c.pct_start, share);
  v.field("div_factor", c.div_factor, at_least_1);
  v.field("final_div_factor", c.final_div_factor, at_least_1);
  v.choice("anneal", c.anneal,
           Choices<Anneal>{{"cosine", Anneal::cosine}, {"linear", Anneal::linear}});
}

template <class V>
void fields(V& v, EvaluationConfig& c) {
  v.field("every_epochs", c.every_epochs, at_least_0);
  v.field("batch", c.batch, at_least_1);
  v.choice("crops", c.crops, crop_choices());
}

template <class V>
void fields(V& v, CheckpointConfig& c) {
  v.field("every_epochs", c.every_epochs, at_least_0);
  v.field("every_steps", c.every_steps, at_least_0);
  v.field("keep", c.keep, at_least_1);
}

template <class V>
void fields(V& v, TraceConfig& c) {
  v.field("first_step", c.first_step, at_least_0);
  v.field("steps", c.steps, at_least_0);
}

template <class V>
void fields(V& v, Config& c) {
  v.field("name", c.name);
  v.field("run_folder", c.run_folder);
  v.field("seed", c.seed);
  v.field("epochs", c.epochs, at_least_1);
  v.field("steps", c.steps, at_least_0);
  v.section("model", c.model);
  v.section("init", c.init);
  v.field("freeze", c.freeze);
  v.section("data", c.data);
  v.section("batch", c.batch);
  v.section("optimizer", c.optimizer);
  v.section("schedule", c.schedule);
  v.section("ema", c.ema);
  v.section("evaluation", c.evaluation);
  v.section("checkpoint", c.checkpoint);
  v.choice("backend", c.backend,
           Choices<std::string>{{"onednn", "onednn"}, {"reference", "reference"}});
  v.field("winograd", c.winograd);
  v.choice("precision", c.precision,
           Choices<std::optional<Precision>>{
               {"fp32", Precision::fp32}, {"bf16", Precision::bf16}, {"auto", std::nullopt}});
  v.field("fuse", c.fuse);
  v.choice("memory", c.memory,
           Choices<MemoryUse>{{"keep", MemoryUse::keep}, {"recompute", MemoryUse::recompute}});
  v.field("threads", c.threads, at_least_0);
  v.field("threads_per_lane", c.threads_per_lane, at_least_1);
  v.section("trace", c.trace);
  v.field("log_every_steps", c.log_every_steps, at_least_1);
  v.field("deadline_seconds", c.deadline_seconds, above_0);
}

}  // namespace convoy
