// The one list of ops. Every op of the list needs a kernel in each backend; the compiler finds the
// missing ones.
#pragma once

#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "ops/activation.h"
#include "ops/batch_norm.h"
#include "ops/concat.h"
#include "ops/conv.h"
#include "ops/dropout.h"
#include "ops/linear.h"
#include "ops/local_conv.h"
#include "ops/lrn.h"
#include "ops/pool.h"
#include "ops/softmax.h"
#include "ops/softmax_loss.h"
#include "ops/squared_error.h"

namespace convoy {

using Op =
    std::variant<Conv, LocalConv, Linear, Pool, GlobalPool, AdaptivePool, BatchNorm, Lrn,
                 Activation, Softmax, Dropout, Add, Concat, Flatten, SoftmaxLoss, SquaredError>;

// "conv", "linear", ... for tables and messages.
std::string_view kind_of(const Op& op);

// Whether training may start from it: a number per sample, to be made small.
inline bool is_loss(const Op& op) {
  return std::holds_alternative<SoftmaxLoss>(op) || std::holds_alternative<SquaredError>(op);
}

inline Shape output_shape(const Op& op, std::string_view place, std::span<const Shape> inputs) {
  return std::visit([&](const auto& o) { return output_shape(o, place, inputs); }, op);
}
inline std::vector<ParameterSpec> parameters(const Op& op, std::span<const Shape> inputs) {
  return std::visit([&](const auto& o) { return parameters(o, inputs); }, op);
}
inline double multiply_adds(const Op& op, std::span<const Shape> inputs) {
  return std::visit([&](const auto& o) { return multiply_adds(o, inputs); }, op);
}

}  // namespace convoy
