#include "ops/op.h"

namespace convoy {
namespace {

std::string_view kind(const Conv&) {
  return "conv";
}
std::string_view kind(const Linear&) {
  return "linear";
}
std::string_view kind(const Pool& op) {
  return op.kind == PoolKind::max ? "max_pool" : "average_pool";
}
std::string_view kind(const GlobalPool&) {
  return "global_pool";
}
std::string_view kind(const BatchNorm&) {
  return "batch_norm";
}
std::string_view kind(const Activation& op) {
  switch (op.kind) {
    case ActivationKind::relu:
      return "relu";
    case ActivationKind::sigmoid:
      return "sigmoid";
    case ActivationKind::tanh:
      return "tanh";
  }
  return "activation";
}
std::string_view kind(const Add&) {
  return "add";
}
std::string_view kind(const Flatten&) {
  return "flatten";
}
std::string_view kind(const SoftmaxLoss&) {
  return "softmax_loss";
}

}  // namespace

std::string_view kind_of(const Op& op) {
  return std::visit([](const auto& o) { return kind(o); }, op);
}

}  // namespace convoy
