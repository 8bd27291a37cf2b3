// Network in network: Lin, Chen and Yan (2013). Each convolution is followed by two of 1x1, and the
// last maps are averaged to the scores. `nin` is the authors' network for ImageNet, `nin_cifar` the
// one of the paper for CIFAR; the names are those of their Caffe models, which round the sizes of
// pooled maps up. Weights begin as He et al. (2015) have it, where theirs were set by hand.
#include "trainer/models/layers.h"
#include "trainer/models/models.h"

namespace convoy {
namespace {

constexpr Pool half_max{.kernel = 3, .stride = 2, .ceil = true};

class Stack {
 public:
  Stack(Graph& g, const ModelConfig& s) : g_(g), s_(s), x_(g.input()) {}

  // A convolution and the two after it; `last`: those of the last layer, the classes.
  void block(Conv first, int second, int third, bool last = false) {
    layer("conv" + std::to_string(++blocks_), first);
    layer("cccp" + std::to_string(2 * blocks_ - 1), {.out_channels = second, .kernel = 1});
    layer("cccp" + std::to_string(2 * blocks_), {.out_channels = third, .kernel = 1}, last);
  }
  void pool(Pool pool) { x_ = pool2d(g_, "pool" + std::to_string(blocks_), x_, pool); }
  void drop() { x_ = drop_out(g_, s_, "drop" + std::to_string(blocks_), x_, 0.5f); }
  void end() { end_with_loss(g_, s_, flatten(g_, "flatten", global_pool(g_, "average", x_))); }

 private:
  void layer(const std::string& name, Conv conv, bool scores = false) {
    conv.out_channels = scores ? s_.classes : scaled(s_, conv.out_channels);
    conv.bias = true;
    conv.first_biases = constant(0);
    x_ = relu(g_, "relu_" + name, conv2d(g_, name, x_, conv));
  }

  Graph& g_;
  const ModelConfig& s_;
  Value x_;
  int blocks_ = 0;
};

}  // namespace

void nin(Graph& g, const ModelConfig& s) {
  Stack net(g, s);
  net.block({.out_channels = 96, .kernel = 11, .stride = 4}, 96, 96);
  net.pool(half_max);
  net.block({.out_channels = 256, .kernel = 5, .pad = 2}, 256, 256);
  net.pool(half_max);
  net.block({.out_channels = 384, .pad = 1}, 384, 384);
  net.pool(half_max);
  net.drop();
  net.block({.out_channels = 1024, .pad = 1}, 1024, s.classes, true);
  net.end();
}

void nin_cifar(Graph& g, const ModelConfig& s) {
  Stack net(g, s);
  net.block({.out_channels = 192, .kernel = 5, .pad = 2}, 160, 96);
  net.pool(half_max);
  net.drop();
  net.block({.out_channels = 192, .kernel = 5, .pad = 2}, 192, 192);
  net.pool({.kind = PoolKind::average, .kernel = 3, .stride = 2, .ceil = true});
  net.drop();
  net.block({.out_channels = 192, .pad = 1}, 192, s.classes, true);
  net.end();
}

}  // namespace convoy
