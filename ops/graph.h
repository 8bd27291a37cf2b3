// Graph: a network as a list of named ops. Built once by a model function; insertion order is
// execution order.
#pragma once

#include <string>
#include <vector>

#include "ops/op.h"

namespace convoy {

// A tensor of the graph, made by one node (or the input).
struct Value {
  int id = -1;
  constexpr bool operator==(const Value&) const = default;
};

struct Node {
  std::string name;  // "layer1.0.conv1"; parameters are name.weight, ...
  Op op;
  std::vector<Value> inputs;
  Value output;
  std::vector<int> parameters;  // indices into Graph::parameters(), in the op's order
};

struct Parameter {
  std::string name;  // as torchvision spells it: "layer1.0.conv1.weight"
  ParameterRole role;
  Shape shape;
  Initial initial;
  int node;
};

class Graph {
 public:
  // Images [N, C, H, W]; N is the micro-batch of one lane.
  explicit Graph(Shape images);

  Value input() const { return Value{0}; }
  // Checks shapes; Error(config) names the node, the sizes and what was expected.
  Value add(std::string name, Op op, std::vector<Value> inputs);
  // The last loss's input: what inference returns. Losses before it are auxiliary.
  Value logits() const;

  const Shape& shape(Value value) const { return shapes_[value.id]; }
  int values() const { return static_cast<int>(shapes_.size()); }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  std::vector<Shape> input_shapes(const Node& node) const;

 private:
  std::vector<Shape> shapes_;
  std::vector<Node> nodes_;
  std::vector<Parameter> parameters_;
};

// What model functions are written in. Each adds one op and returns its output.
inline Value conv2d(Graph& g, std::string name, Value x, Conv conv) {
  return g.add(std::move(name), conv, {x});
}
inline Value local_conv2d(Graph& g, std::string name, Value x, LocalConv conv) {
  return g.add(std::move(name), conv, {x});
}
inline Value linear(Graph& g, std::string name, Value x, Linear linear) {
  return g.add(std::move(name), linear, {x});
}
inline Value pool2d(Graph& g, std::string name, Value x, Pool pool) {
  return g.add(std::move(name), pool, {x});
}
inline Value global_pool(Graph& g, std::string name, Value x) {
  return g.add(std::move(name), GlobalPool{}, {x});
}
inline Value adaptive_pool(Graph& g, std::string name, Value x, AdaptivePool pool) {
  return g.add(std::move(name), pool, {x});
}
inline Value batch_norm(Graph& g, std::string name, Value x, BatchNorm bn = {}) {
  return g.add(std::move(name), bn, {x});
}
inline Value lrn(Graph& g, std::string name, Value x, Lrn lrn = {}) {
  return g.add(std::move(name), lrn, {x});
}
inline Value activation(Graph& g, std::string name, Value x, ActivationKind kind) {
  return g.add(std::move(name), Activation{kind}, {x});
}
inline Value relu(Graph& g, std::string name, Value x) {
  return activation(g, std::move(name), x, ActivationKind::relu);
}
inline Value relu6(Graph& g, std::string name, Value x) {
  return activation(g, std::move(name), x, ActivationKind::relu6);
}
inline Value softmax(Graph& g, std::string name, Value x) {
  return g.add(std::move(name), Softmax{}, {x});
}
inline Value dropout(Graph& g, std::string name, Value x, float probability) {
  const auto layer = static_cast<std::uint32_t>(g.values());
  return g.add(std::move(name), Dropout{.probability = probability, .layer = layer}, {x});
}
inline Value add(Graph& g, std::string name, Value a, Value b) {
  return g.add(std::move(name), Add{}, {a, b});
}
inline Value concat(Graph& g, std::string name, std::vector<Value> inputs) {
  return g.add(std::move(name), Concat{}, std::move(inputs));
}
inline Value flatten(Graph& g, std::string name, Value x) {
  return g.add(std::move(name), Flatten{}, {x});
}
inline Value softmax_loss(Graph& g, std::string name, Value x, SoftmaxLoss loss = {}) {
  return g.add(std::move(name), loss, {x});
}
inline Value squared_error(Graph& g, std::string name, Value x, SquaredError loss = {}) {
  return g.add(std::move(name), loss, {x});
}

}  // namespace convoy
