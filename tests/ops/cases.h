// The one table of op cases: what every backend must compute.
#pragma once

#include <string>
#include <vector>

#include "tests/ops/op_case.h"

namespace convoy::test {

inline std::vector<OpCase> conv_cases() {
  return {
      {"conv_1x1", Conv{.out_channels = 16, .kernel = 1}, {{2, 16, 5, 5}}},
      {"conv_1x1_s2", Conv{.out_channels = 32, .kernel = 1, .stride = 2}, {{3, 16, 7, 7}}},
      {"conv_1x1_odd", Conv{.out_channels = 17, .kernel = 1, .bias = true}, {{5, 6, 3, 4}}},
      {"conv_3x3", Conv{.out_channels = 16, .kernel = 3, .pad = 1}, {{2, 16, 8, 8}}},
      {"conv_3x3_bias", Conv{.out_channels = 32, .pad = 1, .bias = true}, {{2, 17, 6, 5}}},
      {"conv_3x3_valid", Conv{.out_channels = 6, .kernel = 3}, {{4, 3, 9, 7}}},
      {"conv_3x3_s2", Conv{.out_channels = 16, .stride = 2, .pad = 1}, {{2, 16, 8, 8}}},
      {"conv_3x3_s2_odd", Conv{.out_channels = 17, .stride = 2, .pad = 1}, {{3, 6, 7, 9}}},
      {"conv_3x3_stem", Conv{.out_channels = 16, .pad = 1}, {{4, 3, 8, 8}}},
      {"conv_3x3_one_channel", Conv{.out_channels = 1, .pad = 1, .bias = true}, {{1, 1, 5, 5}}},
      {"conv_3x3_one_pixel", Conv{.out_channels = 16, .pad = 1}, {{2, 16, 1, 1}}},
      {"conv_5x5_lenet", Conv{.out_channels = 6, .kernel = 5, .bias = true}, {{3, 1, 12, 12}}},
      {"conv_5x5_same", Conv{.out_channels = 16, .kernel = 5, .pad = 2}, {{2, 6, 7, 7}}},
      {"conv_7x7_s2",
       Conv{.out_channels = 16, .kernel = 7, .stride = 2, .pad = 3},
       {{2, 3, 15, 15}}},
      {"conv_11x11_s4",
       Conv{.out_channels = 16, .kernel = 11, .stride = 4, .pad = 2, .bias = true},
       {{1, 3, 23, 23}}},
      {"conv_rectangle",
       Conv{.out_channels = 6, .kernel = {1, 5}, .stride = {2, 1}, .pad = {0, 2, 0, 2}},
       {{2, 6, 5, 8}}},
      {"conv_asymmetric_pad", Conv{.out_channels = 16, .pad = {0, 0, 1, 1}}, {{2, 16, 6, 6}}},
      {"conv_tensorflow_same_s2",
       Conv{.out_channels = 16, .stride = 2, .pad = {0, 0, 1, 1}},
       {{2, 3, 8, 6}}},
      {"conv_tensorflow_same_s2_wide",
       Conv{.out_channels = 32, .stride = 2, .pad = same_padding({8, 7}, 3, 2)},
       {{2, 16, 8, 7}}},
      {"conv_full", Conv{.out_channels = 16, .pad = full_padding(3)}, {{2, 6, 4, 5}}},
      {"conv_asymmetric_pad_s2",
       Conv{.out_channels = 16, .stride = 2, .pad = {0, 1, 2, 0}, .bias = true},
       {{2, 3, 8, 6}}},
      {"conv_dilation",
       Conv{.out_channels = 16, .pad = 2, .dilation = 2, .bias = true},
       {{2, 16, 7, 7}}},
      {"conv_dilation_uneven",
       Conv{.out_channels = 6, .stride = {1, 2}, .pad = {3, 2, 3, 2}, .dilation = {3, 2}},
       {{1, 3, 9, 8}}},
      {"conv_groups", Conv{.out_channels = 32, .pad = 1, .groups = 2}, {{2, 32, 5, 5}}},
      {"conv_groups_odd",
       Conv{.out_channels = 6, .pad = 1, .groups = 3, .bias = true},
       {{2, 9, 5, 6}}},
      {"conv_depthwise", Conv{.out_channels = 16, .pad = 1, .groups = 16}, {{2, 16, 7, 7}}},
      {"conv_depthwise_s2",
       Conv{.out_channels = 32, .stride = 2, .pad = 1, .groups = 32, .bias = true},
       {{3, 32, 8, 7}}},
      {"conv_depthwise_tensorflow_same_s2",
       Conv{.out_channels = 32, .stride = 2, .pad = {0, 0, 1, 1}, .groups = 32},
       {{2, 32, 8, 8}}},
      {"conv_depthwise_asymmetric_odd",
       Conv{.out_channels = 6, .pad = {0, 0, 1, 1}, .groups = 6},
       {{2, 6, 5, 6}}},
      {"conv_relu",
       Conv{.out_channels = 2, .kernel = 3, .bias = true, .relu = true},
       {{1, 3, 4, 4}}},
      {"conv_depthwise_odd", Conv{.out_channels = 6, .pad = 1, .groups = 6}, {{1, 6, 5, 5}}},
      {"conv_depthwise_multiplier", Conv{.out_channels = 6, .pad = 1, .groups = 3}, {{2, 3, 5, 5}}},
  };
}

// What a plan for inference makes of convolutions and what follows them.
inline std::vector<OpCase> inference_conv_cases() {
  const Shape map{2, 17, 6, 5}, wide{2, 32, 14, 14}, narrow{2, 16, 7, 7};
  const BatchNorm norm{.epsilon = 1e-3f};
  return {
      {"conv_norm", Conv{.out_channels = 16, .pad = 1, .norm = norm}, {map}},
      {"conv_bias_norm_relu",
       Conv{.out_channels = 17, .kernel = 1, .bias = true, .norm = norm, .relu = true},
       {map}},
      {"conv_norm_add_relu",
       Conv{.out_channels = 17, .pad = 1, .norm = norm, .add = true, .relu = true},
       {map, map}},
      {"conv_norm_add_1x1",
       Conv{.out_channels = 32, .kernel = 1, .norm = norm, .add = true},
       {narrow, {2, 32, 7, 7}}},
      {"conv_add", Conv{.out_channels = 16, .pad = 1, .add = true}, {narrow, narrow}},
      {"conv_bias_add_relu",
       Conv{.out_channels = 6, .kernel = 2, .bias = true, .add = true, .relu = true},
       {{3, 6, 5, 5}, {3, 6, 4, 4}}},
      {"conv_depthwise_norm_relu6",
       Conv{.out_channels = 16,
            .pad = 1,
            .groups = 16,
            .norm = norm,
            .relu = true,
            .relu_cap = 0.75f},
       {{2, 16, 7, 7}}},
      {"conv_stem_norm_relu",
       Conv{.out_channels = 16, .kernel = 7, .stride = 2, .pad = 3, .norm = norm, .relu = true},
       {{2, 3, 15, 15}}},
      {"conv_groups_norm_relu",
       Conv{.out_channels = 32, .pad = 1, .groups = 2, .norm = norm, .relu = true},
       {{2, 32, 5, 5}}},
      {"conv_depthwise_norm_relu",
       Conv{.out_channels = 16,
            .stride = 2,
            .pad = {0, 0, 1, 1},
            .groups = 16,
            .norm = norm,
            .relu = true},
       {{2, 16, 8, 8}}},
      {"conv_depthwise_norm_add_odd",
       Conv{.out_channels = 6, .pad = 1, .groups = 6, .norm = norm, .add = true},
       {{1, 6, 5, 5}, {1, 6, 5, 5}}},
      {"conv_winograd_norm_add_relu",
       Conv{.out_channels = 32, .pad = 1, .norm = norm, .add = true, .relu = true},
       {wide, wide}},
  };
}

// Large enough for Winograd's algorithm to be chosen: with tiles that stick out, in one block and
// in several, with channels that make up no whole group. It rounds a little more than the direct
// one: its transforms subtract neighbours before they multiply.
inline std::vector<OpCase> winograd_cases() {
  constexpr double tolerance = 1e-5;
  return {
      {"conv_winograd", Conv{.out_channels = 48, .pad = 1}, {{2, 32, 14, 14}}, tolerance},
      {"conv_winograd_odd",
       Conv{.out_channels = 32, .pad = 1, .bias = true},
       {{4, 48, 11, 9}},
       tolerance},
      {"conv_winograd_relu",
       Conv{.out_channels = 48, .pad = 1, .bias = true, .relu = true},
       {{3, 32, 13, 12}},  // none of whose sums is so near zero that rounding decides its sign
       tolerance},
      {"conv_winograd_valid",
       Conv{.out_channels = 32, .kernel = 3, .bias = true},
       {{8, 32, 9, 8}},
       tolerance},
      {"conv_winograd_full",
       Conv{.out_channels = 16, .pad = full_padding(3)},
       {{3, 16, 6, 7}},
       tolerance},
      {"conv_winograd_padded_below_and_above",
       Conv{.out_channels = 32, .pad = {1, 0, 1, 0}},
       {{8, 32, 7, 10}},
       tolerance},
      {"conv_winograd_asymmetric_pad",
       Conv{.out_channels = 32, .pad = {0, 1, 1, 0}},
       {{8, 32, 7, 10}},
       tolerance},
      {"conv_winograd_blocks",
       Conv{.out_channels = 48, .pad = 1, .bias = true},
       {{7, 16, 15, 13}},
       tolerance},
      {"conv_winograd_groups", Conv{.out_channels = 144, .pad = 1}, {{7, 32, 16, 14}}, tolerance},
      {"conv_winograd_groups_of_sources",
       Conv{.out_channels = 16, .pad = 1},
       {{2, 144, 8, 8}},
       tolerance},
  };
}

// Wide enough to be worth rounding to bf16, with inputs that lose nothing by it: results are those
// of float. Folding a batch-norm makes weights that do lose something.
inline std::vector<OpCase> bf16_cases() {
  std::vector<OpCase> cases{
      {"conv_bf16_1x1", Conv{.out_channels = 64, .kernel = 1}, {{2, 80, 7, 7}}},
      {"conv_bf16_1x1_s2_bias",
       Conv{.out_channels = 96, .kernel = 1, .stride = 2, .bias = true},
       {{3, 64, 7, 6}}},
      {"conv_bf16_1x1_padded_layout",
       Conv{.out_channels = 72, .kernel = 1, .bias = true},
       {{2, 68, 5, 5}}},
      {"conv_bf16_3x3", Conv{.out_channels = 32, .pad = 1}, {{2, 16, 8, 8}}},
      {"conv_bf16_3x3_s2_relu",
       Conv{.out_channels = 32, .stride = 2, .pad = 1, .bias = true, .relu = true},
       {{3, 48, 9, 7}}},
      {"conv_bf16_tensorflow_same_s2",
       Conv{.out_channels = 16, .stride = 2, .pad = {0, 0, 1, 1}},
       {{2, 16, 8, 6}}},
      {"conv_bf16_5x5_dilation",
       Conv{.out_channels = 16, .kernel = 5, .pad = 4, .dilation = 2},
       {{2, 16, 9, 9}}},
  };
  for (OpCase& c : cases) c.coarse = true;
  const OpCase folded{
      "conv_bf16_norm_add_relu",
      Conv{.out_channels = 64, .kernel = 1, .norm = BatchNorm{}, .add = true, .relu = true},
      {{2, 64, 7, 7}, {2, 64, 7, 7}},
      1e-2};
  cases.push_back(folded);
  return cases;
}

inline std::vector<OpCase> local_conv_cases() {
  return {
      {"local_conv", LocalConv{.out_channels = 16, .bias = true}, {{2, 16, 6, 6}}},
      {"local_conv_padded",
       LocalConv{.out_channels = 5, .kernel = 5, .stride = 2, .pad = 2},
       {{5, 3, 9, 8}}},
      {"local_conv_asymmetric",
       LocalConv{.out_channels = 6,
                 .kernel = {2, 3},
                 .stride = {1, 2},
                 .pad = {0, 1, 1, 0},
                 .bias = true},
       {{3, 7, 5, 7}}},
      {"local_conv_beyond_the_image",
       LocalConv{.out_channels = 2, .kernel = 2, .pad = 2},
       {{1, 2, 3, 3}}},
      {"tiled_conv_1",
       LocalConv{.out_channels = 17, .pad = 1, .tile = 1, .bias = true},
       {{2, 3, 6, 5}}},
      {"tiled_conv_2",
       LocalConv{.out_channels = 16, .pad = 1, .tile = 2, .bias = true},
       {{2, 6, 6, 6}}},
      {"tiled_conv_uneven",
       LocalConv{.out_channels = 4, .stride = 2, .pad = 1, .tile = {3, 2}},
       {{2, 3, 9, 9}}},
  };
}

inline std::vector<OpCase> linear_cases() {
  return {
      {"linear", Linear{.out_features = 16}, {{4, 32}}},
      {"linear_odd", Linear{.out_features = 7}, {{3, 13}}},
      {"linear_relu", Linear{.out_features = 3, .relu = true}, {{2, 5}}},
      {"linear_no_bias", Linear{.out_features = 10, .bias = false}, {{5, 17}}},
      {"linear_one_row", Linear{.out_features = 33}, {{1, 64}}},
      {"linear_one_output", Linear{.out_features = 1}, {{6, 5}}},
      {"linear_one_input", Linear{.out_features = 3}, {{2, 1}}},
      {"linear_wide", Linear{.out_features = 100}, {{16, 512}}},
  };
}

inline std::vector<OpCase> pool_cases() {
  constexpr PoolKind max = PoolKind::max, average = PoolKind::average, l2 = PoolKind::l2;
  return {
      {"max_pool", Pool{.kind = max}, {{2, 16, 6, 6}}},
      {"max_pool_non_divisible", Pool{.kind = max}, {{3, 17, 7, 5}}},
      {"max_pool_3x3_s2", Pool{.kind = max, .kernel = 3}, {{2, 6, 9, 9}}},
      {"max_pool_3x3_s2_p1",
       Pool{.kind = max, .kernel = 3, .stride = 2, .pad = 1},
       {{2, 16, 8, 8}}},
      {"max_pool_3x3_s1_p1", Pool{.kind = max, .kernel = 3, .stride = 1, .pad = 1}, {{1, 3, 5, 6}}},
      {"max_pool_asymmetric",
       Pool{.kind = max, .kernel = {3, 2}, .stride = {2, 1}, .pad = {0, 1, 2, 0}},
       {{2, 16, 6, 5}}},
      {"max_pool_gaps", Pool{.kind = max, .kernel = 2, .stride = 3}, {{2, 16, 8, 9}}},
      {"average_pool", Pool{.kind = average}, {{2, 16, 6, 6}}},
      {"average_pool_non_divisible", Pool{.kind = average}, {{4, 6, 7, 5}}},
      {"average_pool_overlap", Pool{.kind = average, .kernel = 3}, {{2, 17, 9, 8}}},
      {"average_pool_padded",
       Pool{.kind = average, .kernel = 3, .stride = 2, .pad = 1},
       {{2, 16, 8, 7}}},
      {"average_pool_padding_not_counted",
       Pool{.kind = average, .kernel = 3, .stride = 2, .pad = 1, .count_padding = false},
       {{2, 16, 8, 7}}},
      {"average_pool_asymmetric",
       Pool{.kind = average, .kernel = 3, .stride = 2, .pad = {0, 1, 2, 0}, .count_padding = false},
       {{2, 3, 7, 7}}},
      {"max_pool_ceil", Pool{.kind = max, .kernel = 3, .ceil = true}, {{2, 16, 8, 6}}},
      {"max_pool_ceil_padded",
       Pool{.kind = max, .kernel = 3, .stride = 2, .pad = 1, .ceil = true},
       {{2, 17, 6, 7}}},
      {"max_pool_ceil_gaps", Pool{.kind = max, .stride = 3, .ceil = true}, {{2, 16, 7, 8}}},
      {"max_pool_tensorflow_same",
       Pool{.kind = max, .kernel = 3, .pad = {0, 0, 1, 1}},
       {{2, 16, 8, 8}}},
      {"average_pool_ceil", Pool{.kind = average, .kernel = 3, .ceil = true}, {{2, 16, 8, 7}}},
      {"average_pool_ceil_padded",
       Pool{.kind = average, .kernel = 3, .stride = 2, .pad = 1, .ceil = true},
       {{2, 16, 8, 6}}},
      {"average_pool_ceil_not_counted",
       Pool{.kind = average, .kernel = 3, .pad = 1, .count_padding = false, .ceil = true},
       {{2, 16, 8, 6}}},
      {"l2_pool", Pool{.kind = l2}, {{2, 16, 6, 6}}},
      {"l2_pool_padded", Pool{.kind = l2, .kernel = 3, .pad = 1}, {{2, 17, 7, 5}}},
      {"l2_pool_ceil", Pool{.kind = l2, .kernel = 3, .ceil = true}, {{3, 5, 6, 8}}},
      {"adaptive_pool", AdaptivePool{6, 6}, {{2, 16, 8, 7}}},
      {"adaptive_pool_identity", AdaptivePool{5, 6}, {{2, 16, 5, 6}}},
      {"adaptive_pool_even", AdaptivePool{4, 2}, {{2, 17, 8, 6}}},
      {"adaptive_pool_larger", AdaptivePool{7, 7}, {{2, 16, 3, 4}}},
      {"adaptive_pool_global", AdaptivePool{}, {{2, 16, 3, 4}}},
      {"global_pool", GlobalPool{}, {{3, 16, 7, 7}}},
      {"global_pool_odd", GlobalPool{}, {{2, 17, 3, 5}}},
      {"global_pool_one_pixel", GlobalPool{}, {{2, 16, 1, 1}}},
  };
}

inline std::vector<OpCase> batch_norm_cases() {
  const auto cases_of = [](const std::string& name, const Shape& shape, BatchNorm op) {
    std::vector<OpCase> cases;
    for (const bool add : {false, true}) {
      for (const bool relu : {false, true}) {
        op.add = add;
        op.relu = relu;
        cases.push_back({name + (add ? "_add" : "") + (relu ? "_relu" : ""), op,
                         std::vector<Shape>(add ? 2 : 1, shape), 5e-5});
      }
    }
    return cases;
  };
  std::vector<OpCase> all;
  for (const auto& cases :
       {cases_of("batch_norm_3", {2, 3, 5, 5}, {}), cases_of("batch_norm_16", {4, 16, 4, 4}, {}),
        cases_of("batch_norm_17", {3, 17, 3, 5}, {}), cases_of("batch_norm_64", {2, 64, 4, 4}, {}),
        cases_of("batch_norm_1x1", {5, 16, 1, 1}, {}),
        cases_of("batch_norm_one_image", {1, 6, 7, 5}, {.epsilon = 1e-3f}),
        cases_of("batch_norm_capped", {3, 17, 3, 5}, {.relu_cap = 0.75f}),
        cases_of("batch_norm_synchronised", {3, 17, 3, 5}, {.synchronised = true}),
        cases_of("batch_norm_fixed", {3, 17, 3, 5}, {.fixed_statistics = true}),
        cases_of("batch_norm_fixed_one_value", {1, 16, 1, 1},
                 {.relu_cap = 0.75f, .fixed_statistics = true})}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

inline std::vector<OpCase> activation_cases() {
  std::vector<OpCase> cases;
  for (const auto& [name, kind] : {std::pair{"relu", ActivationKind::relu},
                                   {"relu6", ActivationKind::relu6},
                                   {"sigmoid", ActivationKind::sigmoid},
                                   {"tanh", ActivationKind::tanh}}) {
    const float spread = kind == ActivationKind::relu6 ? 8 : 1;
    cases.push_back({name, Activation{kind}, {{2, 16, 5, 5}}, 1e-5, spread});
    cases.push_back({std::string(name) + "_odd", Activation{kind}, {{3, 7, 3, 5}}, 1e-5, spread});
    cases.push_back({std::string(name) + "_rows", Activation{kind}, {{3, 13}}, 1e-5, spread});
  }
  cases.push_back({"add", Add{}, {{2, 16, 4, 4}, {2, 16, 4, 4}}});
  cases.push_back({"add_odd", Add{}, {{3, 5, 3, 7}, {3, 5, 3, 7}}});
  cases.push_back({"add_rows", Add{}, {{3, 11}, {3, 11}}});
  cases.push_back({"flatten", Flatten{}, {{2, 16, 3, 3}}});
  cases.push_back({"flatten_odd", Flatten{}, {{3, 5, 3, 7}}});
  return cases;
}

inline std::vector<OpCase> loss_cases() {
  return {
      {"softmax_loss", SoftmaxLoss{}, {{8, 10}}},
      {"softmax_loss_two_classes", SoftmaxLoss{}, {{5, 2}}},
      {"softmax_loss_one_row", SoftmaxLoss{}, {{1, 100}}},
      {"softmax_loss_smoothing", SoftmaxLoss{.smoothing = 0.1f}, {{7, 10}}},
      {"softmax_loss_weight", SoftmaxLoss{.weight = 0.3f}, {{7, 10}}},
      {"softmax_loss_soft_labels", SoftmaxLoss{}, {{7, 10}}, 1e-5, 1, true},
      {"softmax_loss_soft_smooth_weighted",
       SoftmaxLoss{.smoothing = 0.1f, .weight = 0.3f},
       {{7, 11}},
       1e-5,
       1,
       true},
      {"squared_error", SquaredError{}, {{7, 10}}},
      {"squared_error_of_tanh", SquaredError{.on = 1, .off = -1, .weight = 0.3f}, {{6, 3}}},
      {"squared_error_soft_labels", SquaredError{.off = -1}, {{7, 10}}, 1e-5, 1, true},
  };
}

inline std::vector<OpCase> concat_cases() {
  return {
      {"concat", Concat{}, {{2, 16, 4, 4}, {2, 32, 4, 4}}},
      {"concat_four", Concat{}, {{3, 16, 3, 5}, {3, 48, 3, 5}, {3, 16, 3, 5}, {3, 32, 3, 5}}},
      {"concat_odd", Concat{}, {{2, 3, 5, 3}, {2, 17, 5, 3}, {2, 1, 5, 3}}},
      {"concat_half_blocks", Concat{}, {{2, 8, 4, 4}, {2, 24, 4, 4}}},
      {"concat_rows", Concat{}, {{3, 7}, {3, 5}}},
      {"concat_eight", Concat{}, std::vector<Shape>(8, {2, 16, 2, 2})},
  };
}

inline std::vector<OpCase> dropout_cases() {
  return {
      {"dropout_rows", Dropout{.probability = 0.5f, .layer = 3}, {{5, 256}}},
      {"dropout_rows_odd", Dropout{.probability = 0.3f, .layer = 1}, {{3, 77}}},
      {"dropout_maps", Dropout{.probability = 0.5f, .layer = 1}, {{2, 32, 5, 5}}},
      {"dropout_maps_odd", Dropout{.probability = 0.9f}, {{3, 7, 3, 5}}},
      {"dropout_one_pixel", Dropout{.probability = 0.2f}, {{2, 64, 1, 1}}},
      {"dropout_none", Dropout{.probability = 0}, {{2, 16, 3, 3}}},
  };
}

inline std::vector<OpCase> softmax_cases() {
  return {
      {"softmax_rows", Softmax{}, {{3, 10}}, 1e-5, 4},
      {"softmax_maps", Softmax{}, {{2, 17, 3, 5}}},
      {"softmax_one_class", Softmax{}, {{2, 1}}},
  };
}

inline std::vector<OpCase> lrn_cases() {
  const Lrn strong{.size = 5, .alpha = 2.0f, .beta = 0.75f, .k = 2.0f};
  return {
      {"lrn", strong, {{2, 32, 5, 5}}},
      {"lrn_64", strong, {{2, 64, 6, 4}}},
      {"lrn_odd", strong, {{3, 17, 4, 3}}},
      {"lrn_few_channels", strong, {{2, 3, 4, 3}}},
      {"lrn_size_3", Lrn{.size = 3, .alpha = 0.5f, .beta = 0.5f}, {{2, 16, 4, 4}}},
      {"lrn_alexnet", Lrn{.size = 5, .alpha = 1e-4f, .beta = 0.75f, .k = 1}, {{1, 16, 7, 7}}},
  };
}

// Small, odd and many.
inline std::vector<OpCase> op_cases() {
  std::vector<OpCase> all;
  for (const auto& cases : {conv_cases(), local_conv_cases(), linear_cases(), pool_cases(),
                            batch_norm_cases(), lrn_cases(), activation_cases(), softmax_cases(),
                            dropout_cases(), concat_cases(), loss_cases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

}  // namespace convoy::test
