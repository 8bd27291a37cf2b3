#include "trainer/models/fully_convolutional.h"

#include <utility>

#include "ops/core/check.h"

namespace convoy {
namespace {

// Adds the nodes of a network to another graph, one by one.
class Slide {
 public:
  Slide(const Graph& network, Graph& graph, Scores scores)
      : network_(network),
        graph_(graph),
        scores_(scores),
        values_(network.values()),
        areas_(network.values(), Extent(1)) {
    values_[network.input().id] = graph.input();
  }

  void run() {
    for (const Node& node : network_.nodes()) {
      node_ = &node;
      values_[node.output.id] = std::visit(*this, node.op);
    }
  }

  Value operator()(const Flatten&) {
    const Shape& maps = network_.shape(node_->inputs[0]);
    areas_[node_->output.id] = {static_cast<int>(maps[2]), static_cast<int>(maps[3])};
    return input();
  }
  Value operator()(const Linear& layer) {
    return conv2d(graph_, node_->name, input(),
                  {.out_channels = layer.out_features,
                   .kernel = areas_[node_->inputs[0].id],
                   .bias = layer.bias,
                   .first_weights = layer.first_weights,
                   .first_biases = layer.first_biases});
  }
  Value operator()(const GlobalPool&) {
    const Shape& maps = network_.shape(node_->inputs[0]);
    const Extent area{static_cast<int>(maps[2]), static_cast<int>(maps[3])};
    return pool2d(graph_, node_->name, input(),
                  {.kind = PoolKind::average, .kernel = area, .stride = 1});
  }
  Value operator()(const AdaptivePool& pool) {
    const Shape& maps = network_.shape(node_->inputs[0]);
    require(pool.height == maps[2] && pool.width == maps[3], ExitCode::config, node_->name,
            "averages maps of {}x{} to {}x{}, expected equal sizes: no window slides over parts",
            maps[2], maps[3], pool.height, pool.width);
    return input();
  }
  Value operator()(const SoftmaxLoss& loss) { return add_loss(loss); }
  Value operator()(const SquaredError& loss) { return add_loss(loss); }
  template <class Other>
  Value operator()(const Other& op) {
    areas_[node_->output.id] = areas_[node_->inputs[0].id];
    std::vector<Value> inputs;
    for (const Value value : node_->inputs) inputs.push_back(values_[value.id]);
    return graph_.add(node_->name, op, std::move(inputs));
  }

 private:
  Value input() const { return values_[node_->inputs[0].id]; }
  Value add_loss(const Op& loss) {
    Value x = input();
    if (scores_ == Scores::mean) x = global_pool(graph_, node_->name + ".mean", x);
    return graph_.add(node_->name, loss, {flatten(graph_, node_->name + ".flatten", x)});
  }

  const Graph& network_;
  Graph& graph_;
  Scores scores_;
  std::vector<Value> values_;  // of the new graph, by value of the network
  std::vector<Extent> areas_;  // of the maps that a row was flattened from, by value
  const Node* node_ = nullptr;
};

}  // namespace

Graph fully_convolutional(const Graph& network, Shape images, Scores scores) {
  const Shape& window = network.shape(network.input());
  require(images[2] >= window[2] && images[3] >= window[3], ExitCode::config, "model.window",
          "images of {}x{} are smaller than the window of {}x{}", images[2], images[3], window[2],
          window[3]);
  Graph graph(images);
  Slide(network, graph, scores).run();
  return graph;
}

}  // namespace convoy
