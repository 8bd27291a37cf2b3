#include "ops/op.h"

namespace convoy {
namespace {

std::string_view kind(const Conv&) {
  return "conv";
}
std::string_view kind(const LocalConv&) {
  return "local_conv";
}
std::string_view kind(const Linear&) {
  return "linear";
}
std::string_view kind(const Pool& op) {
  switch (op.kind) {
    case PoolKind::max:
      return "max_pool";
    case PoolKind::average:
      return "average_pool";
    case PoolKind::l2:
      return "l2_pool";
  }
  return "pool";
}
std::string_view kind(const GlobalPool&) {
  return "global_pool";
}
std::string_view kind(const AdaptivePool&) {
  return "adaptive_pool";
}
std::string_view kind(const BatchNorm&) {
  return "batch_norm";
}
std::string_view kind(const Lrn&) {
  return "lrn";
}
std::string_view kind(const Activation& op) {
  switch (op.kind) {
    case ActivationKind::relu:
      return "relu";
    case ActivationKind::relu6:
      return "relu6";
    case ActivationKind::sigmoid:
      return "sigmoid";
    case ActivationKind::tanh:
      return "tanh";
  }
  return "activation";
}
std::string_view kind(const Softmax&) {
  return "softmax";
}
std::string_view kind(const Dropout&) {
  return "dropout";
}
std::string_view kind(const Add&) {
  return "add";
}
std::string_view kind(const Concat&) {
  return "concat";
}
std::string_view kind(const Flatten&) {
  return "flatten";
}
std::string_view kind(const SoftmaxLoss&) {
  return "softmax_loss";
}
std::string_view kind(const SquaredError&) {
  return "squared_error";
}

}  // namespace

std::string_view kind_of(const Op& op) {
  return std::visit([](const auto& o) { return kind(o); }, op);
}

}  // namespace convoy
