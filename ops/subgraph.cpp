#include "ops/subgraph.h"

#include <algorithm>
#include <map>

#include "ops/core/check.h"

namespace convoy {
namespace {

Shape as_images(const Shape& shape) {
  return shape.rank() == 4 ? shape : Shape{shape[0], shape[1], 1, 1};
}

}  // namespace

Value output_of(const Graph& graph, const std::string& layer) {
  const auto node = std::ranges::find(graph.nodes(), layer, &Node::name);
  require(node != graph.nodes().end(), ExitCode::config, layer,
          "is no layer of this network: `convoy inspect` of its configuration lists them");
  require(!is_loss(node->op), ExitCode::config, layer,
          "is a loss, expected a layer in front of it");
  return node->output;
}

Graph part_behind(const Graph& graph, const std::string& layer) {
  const Value begin = output_of(graph, layer);
  const Shape shape = graph.shape(begin);
  require(shape.rank() == 4 || shape.rank() == 2, ExitCode::config, layer,
          "makes {}, expected [N, C, H, W] or [N, C]", shape.text());
  Graph part(as_images(shape));
  std::map<int, Value> known;  // values of `graph` that depend on nothing but the layer
  known[begin.id] =
      shape.rank() == 4 ? part.input() : flatten(part, layer + ".flatten", part.input());
  for (const Node& node : graph.nodes()) {
    std::vector<Value> inputs;
    for (const Value input : node.inputs) {
      if (const auto found = known.find(input.id); found != known.end()) {
        inputs.push_back(found->second);
      }
    }
    if (inputs.empty()) continue;
    require(inputs.size() == node.inputs.size(), ExitCode::config, layer,
            "is passed by: {} reads what comes before it too, expected a layer that all that "
            "follows depends on",
            node.name);
    known[node.output.id] = part.add(node.name, node.op, std::move(inputs));
  }
  require(known.contains(graph.logits().id) && !part.parameters().empty(), ExitCode::config, layer,
          "is followed by no parameters, expected a layer in front of some");
  return part;
}

}  // namespace convoy
