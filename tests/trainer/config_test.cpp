// Configurations: what is read, what is refused and where the message points, and that printing
// and reading are inverse.
#include "trainer/config.h"

#include <gtest/gtest.h>

#include "ops/core/check.h"
#include "trainer/config_fields.h"
#include "trainer/nearest.h"

namespace convoy {
namespace {

const std::string minimal = "data: {path: shards}\n";

std::string error_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    parse_config(text, "x.yaml", overrides);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::config);
    return error.what();
  }
  return "no error";
}

TEST(Config, ReadsEverySectionAndKeepsDefaults) {
  const Config c = parse_config(R"(
name: demo
seed: 18446744073709551615
data:
  path: shards
  augment: [{pad_and_crop: {size: 32, pad: 2}}, flip, {flip: {probability: 0.25}}]
  mean: [0.5, 0.25, 1e-1]
batch: {global: 96, lanes: 6}
optimizer: {lr: 0.25, nesterov: true}
schedule: {name: step, epochs: [3, 4.5]}
model: {name: lenet5, activation: tanh, pooling: average}
)",
                                "x.yaml");
  EXPECT_EQ(c.name, "demo");
  EXPECT_EQ(c.run_folder, "runs/demo");
  EXPECT_EQ(c.seed, ~0ull);
  ASSERT_EQ(c.data.augment.size(), 3u);
  EXPECT_EQ(std::get<PadAndCrop>(c.data.augment[0]).pad, 2);
  EXPECT_EQ(std::get<HorizontalFlip>(c.data.augment[1]).probability, 0.5f);
  EXPECT_EQ(std::get<HorizontalFlip>(c.data.augment[2]).probability, 0.25f);
  EXPECT_EQ(c.data.mean, (std::vector<double>{0.5, 0.25, 0.1}));
  EXPECT_EQ(c.batch.lanes, 6);
  EXPECT_EQ(c.optimizer.lr, 0.25);
  EXPECT_TRUE(c.optimizer.nesterov);
  EXPECT_EQ(c.optimizer.momentum, OptimizerConfig{}.momentum);
  EXPECT_EQ(c.schedule.epochs, (std::vector<double>{3, 4.5}));
  EXPECT_EQ(c.model.activation, ActivationKind::tanh);
  EXPECT_EQ(c.model.pooling, PoolKind::average);
}

TEST(Config, ErrorsNameFileLineKeyAndNearest) {
  EXPECT_EQ(error_of(minimal + "optimizer:\n  lr: 1\n  momentun: 0.9\n"),
            "x.yaml:4: optimizer.momentun: unknown key; nearest is momentum");
  EXPECT_EQ(error_of(minimal + "sede: 1\n"), "x.yaml:2: sede: unknown key; nearest is seed");
  EXPECT_EQ(error_of(minimal + "batch: {qqqqqqqq: 1}\n"),
            "x.yaml:2: batch.qqqqqqqq: unknown key; expected one of global, lanes");
  EXPECT_EQ(error_of(minimal + "epochs: ten\n"),
            "x.yaml:2: epochs: found 'ten', expected a whole number of at least 1");
  EXPECT_EQ(error_of(minimal + "epochs: 0\n"),
            "x.yaml:2: epochs: found '0', expected a whole number of at least 1");
  EXPECT_EQ(error_of(minimal + "optimizer: {momentum: 1.5}\n"),
            "x.yaml:2: optimizer.momentum: found '1.5', expected a number from 0 to 0.9999");
  EXPECT_EQ(error_of(minimal + "optimizer: {lr: .nan}\n"),
            "x.yaml:2: optimizer.lr: found '.nan', expected a number of at least 0");
  EXPECT_EQ(error_of(minimal + "optimizer: {lr: inf}\n"),
            "x.yaml:2: optimizer.lr: found 'inf', expected a number of at least 0");
  EXPECT_EQ(error_of(minimal + "optimizer: {nesterov: maybe}\n"),
            "x.yaml:2: optimizer.nesterov: found 'maybe', expected true or false");
  EXPECT_EQ(error_of(minimal + "optimizer: 3\n"),
            "x.yaml:2: optimizer: expected settings as `key: value`");
  EXPECT_EQ(error_of(minimal + "backend: cuda\n"),
            "x.yaml:2: backend: found 'cuda', expected one of onednn, reference");
  EXPECT_EQ(error_of(minimal + "seed: 1\nseed: 2\n"), "x.yaml:3: seed: given twice");
  EXPECT_EQ(
      error_of("data: {path: p, augment: [blur]}\n"),
      "x.yaml:1: data.augment: found 'blur', expected one of resize, resize_exact, "
      "center_crop, pad_and_crop, flip, random_resized_crop, cutout, vertical_flip, rotation, "
      "affine, color_jitter, grayscale, rand_augment, lighting, erasing, corner_crop, "
      "trivial_augment, pad");
  EXPECT_EQ(
      error_of("data: {path: p, augment: [color_jitter: {hue: 0.6}]}\n"),
      "x.yaml:1: data.augment.color_jitter.hue: found '0.6', expected a number from 0 to 0.5");
  EXPECT_EQ(
      error_of("data: {path: p, augment: [rotation: {interpolation: cubic}]}\n"),
      "x.yaml:1: data.augment.rotation.interpolation: found 'cubic', expected one of nearest, "
      "bilinear");
  EXPECT_EQ(error_of("data: {path: p, mix: {mixup: -1}}\n"),
            "x.yaml:1: data.mix.mixup: found '-1', expected a number of at least 0");
  EXPECT_EQ(error_of("data:\n  path: p\n  augment:\n    - flip: {probabilty: 1}\n"),
            "x.yaml:4: data.augment.flip.probabilty: unknown key; nearest is probability");
  EXPECT_EQ(error_of("data: {path: p, mean: [0.5]}\n"),
            "x.yaml:1: data.mean: found 1 numbers, expected one for each of 3 channels");
  EXPECT_EQ(error_of("seed: 1\n"),
            "x.yaml: data.path: missing: the folder that `convoy pack` wrote");
  EXPECT_EQ(error_of(minimal + "batch: {global: 32, lanes: 3}\n"),
            "x.yaml:2: batch.lanes: 3 lanes do not divide a global batch of 32");
  EXPECT_EQ(error_of(minimal + "optimizer: {lr: 1, lr_per_256: 1}\n"),
            "x.yaml:2: optimizer.lr_per_256: give lr or lr_per_256, not both");
  EXPECT_EQ(error_of(minimal + "schedule: {name: step}\n"),
            "x.yaml: schedule.epochs: missing: the epochs at which the step schedule lowers the "
            "rate");
  EXPECT_EQ(error_of(minimal + "optimizer: {name: adamm}\n"),
            "x.yaml:2: optimizer.name: found 'adamm', nearest is adam");
  EXPECT_EQ(error_of(minimal + "optimizer: {name: lamb, nesterov: true}\n"),
            "x.yaml:2: optimizer.nesterov: is of sgd and lars alone");
  EXPECT_EQ(error_of(minimal + "optimizer: {beta2: 1}\n"),
            "x.yaml:2: optimizer.beta2: found '1', expected a number from 0 to 0.999999");
  EXPECT_EQ(
      error_of(minimal + "optimizer:\n  groups:\n  - {match: a}\n  - {match: b, lrscale: 1}\n"),
      "x.yaml:5: optimizer.groups.lrscale: unknown key; nearest is lr_scale");
  EXPECT_EQ(error_of(minimal + "optimizer: {groups: [{match: a, weight_decay: -1}]}\n"),
            "x.yaml:2: optimizer.groups.weight_decay: found '-1', expected a number of at least 0");
  EXPECT_EQ(error_of(minimal + "optimizer: {groups: [{lr_scale: 2}]}\n"),
            "x.yaml:2: optimizer.groups: a group without match: the pattern of its parameters' "
            "names");
  EXPECT_EQ(error_of(minimal + "optimizer: {groups: {match: a}}\n"),
            "x.yaml:2: optimizer.groups: expected a list: [{...}, ...]");
  EXPECT_EQ(error_of(minimal + "ema: {decay: 1}\n"),
            "x.yaml:2: ema.decay: found '1', expected a number from 0 to 0.999999");
  EXPECT_EQ(error_of(minimal + "schedule: {name: step, epochs: [1], every_epochs: 2}\n"),
            "x.yaml:2: schedule.every_epochs: give epochs or every_epochs, not both");
  EXPECT_EQ(error_of(minimal + "schedule: {name: one_cycle, warmup_epochs: 1}\n"),
            "x.yaml:2: schedule.warmup_epochs: one_cycle rises by itself: for 0.3 of the steps");
  EXPECT_EQ(error_of(minimal + "schedule: {name: one_cycel}\n"),
            "x.yaml:2: schedule.name: found 'one_cycel', nearest is one_cycle");
  EXPECT_EQ(error_of(minimal + "schedule: {power: 0}\n"),
            "x.yaml:2: schedule.power: found '0', expected a number above 0");
  EXPECT_EQ(error_of(minimal + "schedule: {pct_start: 1.5}\n"),
            "x.yaml:2: schedule.pct_start: found '1.5', expected a number from 0 to 1");
}

TEST(Config, RefusesWhatIsNotYaml) {
  EXPECT_EQ(error_of("seed: [1\n").rfind("x.yaml:2: not YAML", 0), 0u) << error_of("seed: [1\n");
  EXPECT_NE(error_of("- 1\n- 2\n"), "no error");
  EXPECT_NE(error_of("just words"), "no error");
  EXPECT_NE(error_of("? [a, b]\n: 1\n"), "no error");
  EXPECT_NE(error_of("seed: &a [*a]\n"), "no error");
  EXPECT_NE(error_of(std::string(100000, '[')), "no error");
  EXPECT_NE(error_of(std::string("\x80\xff\0abc", 6)), "no error");
}

TEST(Config, OverridesGoThroughTheSameChecks) {
  const Config c = parse_config(
      minimal, "x.yaml",
      {"optimizer.lr=0.5", "data.path=a=b", "data.augment=[flip]", "seed=7", "seed=8"});
  EXPECT_EQ(c.optimizer.lr, 0.5);
  EXPECT_EQ(c.data.path, "a=b");
  EXPECT_EQ(c.data.augment.size(), 1u);
  EXPECT_EQ(c.seed, 8u);
  EXPECT_EQ(error_of(minimal, {"optimizer.lrr=0.5"}),
            "--set optimizer.lrr=0.5: optimizer.lrr: unknown key; nearest is lr");
  EXPECT_EQ(error_of(minimal, {"batch.global=no"}),
            "--set batch.global=no: batch.global: found 'no', expected a whole number of at least "
            "1");
  EXPECT_EQ(error_of(minimal, {"batch.global=10", "batch.lanes=4"}),
            "--set batch.lanes=4: batch.lanes: 4 lanes do not divide a global batch of 10");
}

TEST(Config, FillsInAutomaticValues) {
  const auto lanes = [](int global) {
    return parse_config(minimal, "x", {"batch.global=" + std::to_string(global)}).batch.lanes;
  };
  EXPECT_EQ(lanes(256), 8);
  EXPECT_EQ(lanes(100), 5);
  EXPECT_EQ(lanes(7), 7);
  EXPECT_EQ(lanes(13), 1);
  const Config c = parse_config(minimal, "x", {"batch.global=64", "optimizer.lr_per_256=0.4"});
  EXPECT_DOUBLE_EQ(c.optimizer.lr, 0.1);
  const auto rate = [](const std::vector<std::string>& settings) {
    return parse_config(minimal, "x", settings).optimizer.lr;
  };
  EXPECT_EQ(rate({}), 0.1);
  EXPECT_EQ(rate({"optimizer.name=lamb"}), 0.001);
  EXPECT_EQ(rate({"optimizer.name=adam", "optimizer.lr=0.1"}), 0.1);
  EXPECT_EQ(rate({"optimizer.name=adamw", "optimizer.lr_per_256=0.5", "batch.global=128"}), 0.25);
}

TEST(Config, PrintsWhatItReadsBack) {
  const Config c = parse_config(R"(
name: 'a "quoted" name: #1'
init: {weights: w, rename: [{from: module.}]}
freeze: [a.*, "b # c"]
data: {path: p, augment: [resize: {size: 40}, center_crop: {size: 32}, flip], std: [0.1, 0.2, 0.3]}
optimizer:
  lr_per_256: 0.3
  decay_norms: true
  groups: [{match: "fc.*", lr_scale: 10}, {match: "*", weight_decay: 0}]
schedule: {name: cosine, warmup_epochs: 0.5}
)",
                                "x.yaml");
  const std::string text = to_yaml(c);
  EXPECT_EQ(to_yaml(parse_config(text, "again")), text);
  EXPECT_EQ(parse_config(text, "again").name, c.name);
  EXPECT_NE(text.find("groups: [{match: \"fc.*\", lr_scale: 10}, "
                      "{match: \"*\", lr_scale: 1, weight_decay: 0}]"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("augment: [{resize: {size: 40}}, {center_crop: {size: 32}}, "
                      "{flip: {probability: 0.5, alternate: false}}]"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("freeze: [\"a.*\", \"b # c\"]"), std::string::npos) << text;
  EXPECT_NE(text.find("rename: [{from: \"module.\", to: \"\"}]"), std::string::npos) << text;
}

TEST(Config, SaysWhatInitIsAbout) {
  EXPECT_EQ(error_of("data: {path: p}\ninit: {skip: [fc.*]}"),
            "x.yaml: init.weights: missing: the file that init.skip, init.rename and init.head are "
            "about");
}

TEST(Config, PrintsMixingAndEveryTransform) {
  std::string list;
  for (const auto& [name, transform] : transform_kinds()) list += "    - " + name + "\n";
  const Config c = parse_config(
      "data:\n  path: p\n  mix: {mixup: 0.2, cutmix: 1}\n  augment:\n" + list, "x.yaml");
  EXPECT_EQ(c.data.augment.size(), transform_kinds().size());
  EXPECT_EQ(c.data.mix.mixup, 0.2);
  const std::string text = to_yaml(c);
  EXPECT_EQ(to_yaml(parse_config(text, "again")), text);
  EXPECT_NE(text.find("{rotation: {degrees: 10, interpolation: nearest}}"), std::string::npos)
      << text;
}

TEST(Config, KnowsEveryTransformInTheOrderOfTheVariant) {
  ASSERT_EQ(transform_kinds().size(), std::variant_size_v<Transform>);
  for (std::size_t i = 0; i < transform_kinds().size(); ++i) {
    EXPECT_EQ(transform_kinds()[i].second.index(), i);
  }
}

TEST(Nearest, CountsEdits) {
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("momentun", "momentum"), 1);
  EXPECT_EQ(edit_distance("sede", "seed"), 1);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

}  // namespace
}  // namespace convoy
