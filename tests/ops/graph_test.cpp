// Graphs: shapes, parameters and counts of a small net, and one line for everything that does not
// fit.
#include "ops/graph.h"

#include <gtest/gtest.h>

#include <functional>

namespace convoy {
namespace {

TEST(Graph, ShapesParametersAndCounts) {
  Graph g({4, 3, 32, 32});
  Value x = conv2d(g, "conv1", g.input(), {.out_channels = 8, .stride = 2, .pad = 1, .bias = true});
  EXPECT_EQ(g.shape(x), (Shape{4, 8, 16, 16}));
  const Value skip = x;
  x = conv2d(g, "conv2", x, {.out_channels = 8, .pad = 1, .groups = 4});
  x = relu(g, "relu", add(g, "sum", batch_norm(g, "bn", x), skip));
  x = pool2d(g, "pool", x, {.kernel = 3, .stride = 2, .pad = 1});
  EXPECT_EQ(g.shape(x), (Shape{4, 8, 8, 8}));
  x = flatten(g, "flatten", global_pool(g, "global", x));
  x = linear(g, "fc", x, {.out_features = 5});
  EXPECT_EQ(g.shape(softmax_loss(g, "loss", x)), (Shape{4}));
  EXPECT_EQ(g.logits(), x);

  std::vector<std::string> names;
  for (const Parameter& p : g.parameters()) names.push_back(p.name + " " + p.shape.text());
  const std::vector<std::string> expected{
      "conv1.weight 8x3x3x3", "conv1.bias 8",  "conv2.weight 8x2x3x3",
      "bn.weight 8",          "bn.bias 8",     "bn.running_mean 8",
      "bn.running_var 8",     "fc.weight 5x8", "fc.bias 5"};
  EXPECT_EQ(names, expected);

  std::vector<std::string> kinds;
  double products = 0;
  for (const Node& node : g.nodes()) {
    kinds.emplace_back(kind_of(node.op));
    products += multiply_adds(node.op, g.input_shapes(node));
  }
  EXPECT_EQ(kinds,
            (std::vector<std::string>{"conv", "conv", "batch_norm", "add", "relu", "max_pool",
                                      "global_pool", "flatten", "linear", "softmax_loss"}));
  EXPECT_EQ(products, 4 * (8 * 256 * 27 + 8 * 256 * 18 + 40));
}

struct Misfit {
  const char* message;
  std::function<void(Graph&)> build;
};

const Misfit misfits[] = {
    {"conv: a window of 7 does not fit an input of 4 padded to 6",
     [](Graph& g) { conv2d(g, "conv", g.input(), {.out_channels = 8, .kernel = 7, .pad = 1}); }},
    {"conv: 6 input and 8 output channels, expected multiples of its 4 groups",
     [](Graph& g) { conv2d(g, "conv", g.input(), {.out_channels = 8, .groups = 4}); }},
    {"conv: 0 output channels in 1 groups, expected at least 1 of each",
     [](Graph& g) { conv2d(g, "conv", g.input(), {}); }},
    {"conv: kernel 3, stride 0, dilation 1, padding 0+0: expected sizes of at least 1 and no "
     "negative "
     "padding",
     [](Graph& g) { conv2d(g, "conv", g.input(), {.out_channels = 8, .stride = 0}); }},
    {"fc: input is 2x6x4x4, expected [N, features]; images need a flatten first",
     [](Graph& g) { linear(g, "fc", g.input(), {.out_features = 5}); }},
    {"fc: 0 output features, expected at least 1",
     [](Graph& g) { linear(g, "fc", flatten(g, "flat", g.input()), {}); }},
    {"pool: padding 2, 2, 2, 2 (top, left, bottom, right), expected less than the kernel 2x2",
     [](Graph& g) { pool2d(g, "pool", g.input(), {.pad = 2}); }},
    {"global: input is 2x96, expected images [N, C, H, W]",
     [](Graph& g) { global_pool(g, "global", flatten(g, "flat", g.input())); }},
    {"bn: epsilon 0 and momentum 0.1, expected epsilon above 0 and momentum from 0 to 1",
     [](Graph& g) { batch_norm(g, "bn", g.input(), {.epsilon = 0}); }},
    {"sum: inputs are 2x6x4x4 and 2x6x2x2, expected equal shapes",
     [](Graph& g) { add(g, "sum", g.input(), pool2d(g, "pool", g.input(), {})); }},
    {"sum: has 1 inputs, expected 2", [](Graph& g) { g.add("sum", Add{}, {g.input()}); }},
    {"loss: input is 2x6x4x4, expected [N, features]; images need a flatten first",
     [](Graph& g) { softmax_loss(g, "loss", g.input()); }},
    {"cat: has 1 inputs, expected at least 2", [](Graph& g) { concat(g, "cat", {g.input()}); }},
    {"cat: inputs are 2x6x4x4 and 2x6x2x2, expected them to differ in channels alone",
     [](Graph& g) {
       concat(g, "cat", {g.input(), pool2d(g, "pool", g.input(), {})});
     }},
    {"cat: has 9 inputs, expected at most 8",
     [](Graph& g) { concat(g, "cat", std::vector<Value>(9, g.input())); }},
    {"drop: drops with probability 1, expected at least 0 and below 1",
     [](Graph& g) { dropout(g, "drop", g.input(), 1); }},
    {"lrn: normalises over 4 channels, expected an odd number",
     [](Graph& g) { lrn(g, "lrn", g.input(), {.size = 4}); }},
    {"lrn: alpha 0.0001, beta 0.75 and k 0, expected k above 0 and no negative alpha or beta",
     [](Graph& g) { lrn(g, "lrn", g.input(), {.k = 0}); }},
    {"lrn: input is 2x96, expected images [N, C, H, W]",
     [](Graph& g) { lrn(g, "lrn", flatten(g, "flat", g.input())); }},
    {"pool: pools to 0x3, expected sizes of at least 1",
     [](Graph& g) {
       adaptive_pool(g, "pool", g.input(), {0, 3});
     }},
    {"pool: a window of 5 does not fit an input of 4 padded to 4",
     [](Graph& g) { pool2d(g, "pool", g.input(), {.kernel = 5, .ceil = true}); }},
    {"local: weights repeat with period 3x0, expected at most the output's 2x2, or 0 for it",
     [](Graph& g) {
       local_conv2d(g, "local", g.input(), {.out_channels = 1, .tile = {3, 0}});
     }},
    {"local: a window of 5 does not fit an input of 4 padded to 4",
     [](Graph& g) { local_conv2d(g, "local", g.input(), {.out_channels = 1, .kernel = 5}); }},
    {"bn: cut off at 0, expected above 0",
     [](Graph& g) { batch_norm(g, "bn", g.input(), {.relu = true, .relu_cap = 0}); }},
    {"loss: label smoothing is 1, expected at least 0 and below 1",
     [](Graph& g) { softmax_loss(g, "loss", flatten(g, "flat", g.input()), {.smoothing = 1}); }},
    {"error: input is 2x6x4x4, expected [N, features]; images need a flatten first",
     [](Graph& g) { squared_error(g, "error", g.input()); }},
    {"twin: names both a relu and a flatten, expected one op of each name",
     [](Graph& g) { flatten(g, "twin", relu(g, "twin", g.input())); }},
    {"relu: input value 7 does not exist, expected one of the 1 values of this graph",
     [](Graph& g) { relu(g, "relu", Value{7}); }},
    {"graph: a flatten has no name", [](Graph& g) { flatten(g, "", g.input()); }},
    {"graph: has no loss among its 1 ops, expected one at the end",
     [](Graph& g) {
       relu(g, "relu", g.input());
       static_cast<void>(g.logits());
     }},
    {"input: is 3x32x32, expected images [N, C, H, W] of sizes of at least 1",
     [](Graph&) {
       Graph g({3, 32, 32});
     }},
    {"input: is 0x3x32x32, expected images [N, C, H, W] of sizes of at least 1",
     [](Graph&) {
       Graph g({0, 3, 32, 32});
     }},
};

TEST(Graph, WhatDoesNotFitIsNamed) {
  for (const Misfit& misfit : misfits) {
    Graph g({2, 6, 4, 4});
    try {
      misfit.build(g);
      ADD_FAILURE() << "expected: " << misfit.message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::config);
      EXPECT_STREQ(error.what(), misfit.message);
    }
  }
}

TEST(Graph, AFailedAddLeavesTheGraphAsItWas) {
  Graph g({2, 6, 4, 4});
  EXPECT_THROW(linear(g, "fc", g.input(), {.out_features = 5}), Error);
  EXPECT_EQ(g.values(), 1);
  EXPECT_TRUE(g.nodes().empty());
  EXPECT_TRUE(g.parameters().empty());
  EXPECT_NO_THROW(flatten(g, "fc", g.input()));
}

}  // namespace
}  // namespace convoy
