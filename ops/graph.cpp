#include "ops/graph.h"

#include <algorithm>
#include <utility>

#include "ops/core/check.h"
#include "ops/kernel.h"

namespace convoy {

Graph::Graph(Shape images) : shapes_{images} {
  const bool positive = std::all_of(images.begin(), images.end(), [](auto e) { return e >= 1; });
  require(images.rank() == 4 && positive, ExitCode::config, "input",
          "is {}, expected images [N, C, H, W] of sizes of at least 1", images.text());
}

Value Graph::add(std::string name, Op op, std::vector<Value> inputs) {
  require(!name.empty(), ExitCode::config, "graph", "a {} has no name", kind_of(op));
  const auto twin = std::find_if(nodes_.begin(), nodes_.end(),
                                 [&](const Node& node) { return node.name == name; });
  if (twin != nodes_.end()) {
    fail(ExitCode::config, name, "names both a {} and a {}, expected one op of each name",
         kind_of(twin->op), kind_of(op));
  }
  require(inputs.size() <= KernelBuffers::max_inputs, ExitCode::config, name,
          "has {} inputs, expected at most {}", inputs.size(), KernelBuffers::max_inputs);
  for (const Value input : inputs) {
    require(input.id >= 0 && input.id < values(), ExitCode::config, name,
            "input value {} does not exist, expected one of the {} values of this graph", input.id,
            values());
  }

  Node node{std::move(name), std::move(op), std::move(inputs), Value{values()}, {}};
  const std::vector<Shape> shapes = input_shapes(node);
  shapes_.push_back(output_shape(node.op, node.name, shapes));
  for (ParameterSpec& spec : convoy::parameters(node.op, shapes)) {
    node.parameters.push_back(static_cast<int>(parameters_.size()));
    parameters_.push_back({node.name + "." + spec.name, spec.role, spec.shape, spec.initial,
                           static_cast<int>(nodes_.size())});
  }
  nodes_.push_back(std::move(node));
  return nodes_.back().output;
}

Value Graph::logits() const {
  const auto loss = std::find_if(nodes_.rbegin(), nodes_.rend(),
                                 [](const Node& node) { return is_loss(node.op); });
  require(loss != nodes_.rend(), ExitCode::config, "graph",
          "has no loss among its {} ops, expected one at the end", nodes_.size());
  return loss->inputs[0];
}

std::vector<Shape> Graph::input_shapes(const Node& node) const {
  std::vector<Shape> shapes;
  shapes.reserve(node.inputs.size());
  for (const Value input : node.inputs) shapes.push_back(shape(input));
  return shapes;
}

}  // namespace convoy
