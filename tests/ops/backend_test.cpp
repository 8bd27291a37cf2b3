// Every case of the table on every backend: equal to the reference in every situation that a plan
// may put a kernel in; and the reference's own gradients against differences of its outputs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/ops/cases.h"
#include "tests/ops/op_harness.h"

namespace convoy::test {

void PrintTo(const OpCase& c, std::ostream* out) {
  *out << c.name;
}

namespace {

// Greatest difference relative to the greatest magnitude expected; infinite where something is NaN.
double relative_error(const std::vector<float>& found, const std::vector<float>& expected) {
  if (found.size() != expected.size()) return INFINITY;
  double error = 0, largest = 1e-6;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double difference = std::abs(double{found[i]} - expected[i]);
    if (std::isnan(difference)) return INFINITY;
    error = std::max(error, difference);
    largest = std::max(largest, std::abs(double{expected[i]}));
  }
  return error / largest;
}

std::vector<OpVariant> variants() {
  return {
      {.name = "alone"},
      {.name = "after a convolution", .offer_conv_layout = true},
      {.name = "sharing memory", .share_memory = true},
      {.name = "sharing memory after a convolution",
       .offer_conv_layout = true,
       .share_memory = true},
      {.name = "first layer", .source_gradient = false},
      {.name = "frozen", .parameter_gradients = false},
      {.name = "inference", .mode = Mode::inference, .share_memory = true},
      {.name = "inference after a convolution", .mode = Mode::inference, .offer_conv_layout = true},
      {.name = "inference beside training",
       .mode = Mode::inference,
       .offer_conv_layout = true,
       .masters_of_training = true},
  };
}

// By name; "winograd" takes that algorithm wherever there is one, "bf16" rounds factors.
std::unique_ptr<Backend> backend_called(const std::string& name) {
  if (name == "winograd") return make_onednn_backend({.winograd = Winograd::wherever_possible});
  if (name == "bf16") {
    return make_onednn_backend({.winograd = Winograd::never, .precision = Precision::bf16});
  }
  return make_backend(name);
}

// What fusion makes only for inference cannot be trained.
bool can_be_trained(const Op& op) {
  const auto* conv = std::get_if<Conv>(&op);
  return !conv || (!conv->norm && !conv->add);
}

class BackendCase : public testing::TestWithParam<std::tuple<std::string, OpCase>> {};

TEST_P(BackendCase, EqualsTheReference) {
  const auto& [backend_name, c] = GetParam();
  if (backend_name == "bf16" && !onednn_can_multiply_in(Precision::bf16)) {
    GTEST_SKIP() << "no AVX512-BF16 here";
  }
  const auto backend = backend_called(backend_name);
  const auto reference = make_reference_backend();
  const OpInputs inputs = random_inputs(c, 1);
  const OpOutputs training =
      can_be_trained(c.op) ? OpHarness(*reference, c.op, c.inputs).run(inputs) : OpOutputs{};
  const OpOutputs inference =
      OpHarness(*reference, c.op, c.inputs, {.mode = Mode::inference}).run(inputs);

  for (const OpVariant& variant : variants()) {
    if (variant.mode == Mode::training && !can_be_trained(c.op)) continue;
    SCOPED_TRACE(variant.name);
    const OpOutputs& expected = variant.mode == Mode::training ? training : inference;
    OpHarness harness(*backend, c.op, c.inputs, variant);
    SCOPED_TRACE(harness.spec().algorithm);
    const OpOutputs found = harness.run(inputs);
    EXPECT_EQ(harness.misdeeds(), "");
    EXPECT_LT(relative_error(found.dst, expected.dst), c.tolerance);
    for (std::size_t i = 0; i < found.diff_src.size(); ++i) {
      if (!variant.source_gradient) continue;
      EXPECT_LT(relative_error(found.diff_src[i], expected.diff_src[i]), c.tolerance) << i;
    }
    for (std::size_t i = 0; i < found.gradients.size(); ++i) {
      if (found.gradients[i].empty()) continue;
      EXPECT_LT(relative_error(found.gradients[i], expected.gradients[i]), c.tolerance) << i;
    }
  }
}

std::string name_of_case(const testing::TestParamInfo<BackendCase::ParamType>& test) {
  return std::get<0>(test.param) + "_" + std::get<1>(test.param).name;
}

INSTANTIATE_TEST_SUITE_P(Ops, BackendCase,
                         testing::Combine(testing::Values("reference", "onednn"),
                                          testing::ValuesIn(op_cases())),
                         name_of_case);
INSTANTIATE_TEST_SUITE_P(SmallConvolutions, BackendCase,
                         testing::Combine(testing::Values("winograd"),
                                          testing::ValuesIn(conv_cases())),
                         name_of_case);
INSTANTIATE_TEST_SUITE_P(LargerConvolutions, BackendCase,
                         testing::Combine(testing::Values("onednn"),
                                          testing::ValuesIn(winograd_cases())),
                         name_of_case);

INSTANTIATE_TEST_SUITE_P(RoundedConvolutions, BackendCase,
                         testing::Combine(testing::Values("bf16"), testing::ValuesIn(bf16_cases())),
                         name_of_case);

INSTANTIATE_TEST_SUITE_P(FusedForInference, BackendCase,
                         testing::Combine(testing::Values("reference", "onednn", "winograd"),
                                          testing::ValuesIn(inference_conv_cases())),
                         name_of_case);

// Values at least 1/16 apart from the others of any small window and 1/32 from zero, so that steps
// of up to 1/64 change neither which is the largest nor any sign.
std::vector<float> spaced(std::size_t count, std::size_t first) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(static_cast<int>((i + first) * 37 % 61) - 30) / 16 + 1.0f / 32;
  }
  return values;
}

class NumericGradient : public testing::TestWithParam<OpCase> {
 protected:
  void SetUp() override {
    inputs_ = random_inputs(GetParam(), 2);
    for (std::size_t i = 0; i < inputs_.src.size(); ++i) {
      inputs_.src[i] = spaced(inputs_.src[i].size(), 17 * i);
      for (float& value : inputs_.src[i]) value *= GetParam().spread;
    }
  }

  // What the op cuts outputs off at, beside 0.
  static float cap(const Op& op) {
    const auto* activation = std::get_if<Activation>(&op);
    if (const auto* norm = std::get_if<BatchNorm>(&op)) return norm->relu ? norm->relu_cap : 0.0f;
    return activation && activation->kind == ActivationKind::relu6 ? 6.0f : 0.0f;
  }
  static double loss_weight(const Op& op) {
    if (const auto* loss = std::get_if<SoftmaxLoss>(&op)) return loss->weight;
    return std::get<SquaredError>(op).weight;
  }

  // The scalar whose gradient backward computes; and which outputs a ReLU has cut off.
  double objective(std::vector<bool>& cut) {
    harness_.load(inputs_);
    harness_.forward();
    const std::vector<float> dst = harness_.outputs().dst;
    double sum = 0;
    cut.clear();
    for (std::size_t i = 0; i < dst.size(); ++i) {
      const bool loss = !inputs_.labels.empty();
      sum += dst[i] * (loss ? loss_weight(GetParam().op) * inputs_.loss_scale
                            : double{inputs_.diff_dst[0][i]} + inputs_.diff_dst[1][i]);
      cut.push_back(dst[i] == 0 || dst[i] == cap(GetParam().op));
    }
    return sum;
  }

  // Checks up to six of the entries, spread evenly.
  void check(std::vector<float>& values, const std::vector<float>& gradient) {
    const std::size_t stride = std::max<std::size_t>(1, values.size() / 6);
    double largest = 1e-3;
    for (const float g : gradient) largest = std::max(largest, std::abs(double{g}));
    for (std::size_t i = stride / 2; i < values.size(); i += stride) {
      double slope = 0;
      if (!difference(values[i], slope)) continue;
      EXPECT_NEAR(gradient[i], slope, 5e-4 * largest) << "entry " << i;
      ++checked_;
    }
  }

  // Fourth-order central difference; false where a ReLU switches on the way.
  bool difference(float& value, double& slope) {
    const float h = 1.0f / 128, at = value;
    double sum = 0;
    std::vector<bool> cut, first_cut;
    for (const auto& [steps, weight] : {std::pair{-2, 1.0}, {-1, -8.0}, {1, 8.0}, {2, -1.0}}) {
      value = at + static_cast<float>(steps) * h;
      sum += weight * objective(cut);
      if (first_cut.empty()) first_cut = cut;
      if (cut != first_cut) break;
    }
    value = at;
    slope = sum / (12.0 * h);
    return cut == first_cut;
  }

  std::unique_ptr<Backend> backend_ = make_reference_backend();
  OpHarness harness_{*backend_, GetParam().op, GetParam().inputs};
  OpInputs inputs_;
  int checked_ = 0;
};

TEST_P(NumericGradient, OfTheReference) {
  const OpOutputs analytic = harness_.run(inputs_);
  for (std::size_t i = 0; i < inputs_.src.size(); ++i) {
    SCOPED_TRACE("src" + std::to_string(i));
    check(inputs_.src[i], analytic.diff_src[i]);
  }
  const std::vector<ParameterSpec> specs = parameters(GetParam().op, GetParam().inputs);
  for (std::size_t i = 0; i < specs.size(); ++i) {
    SCOPED_TRACE(specs[i].name);
    if (!is_statistic(specs[i].role)) check(inputs_.parameters[i], analytic.gradients[i]);
  }
  EXPECT_GE(checked_, 2);
}

INSTANTIATE_TEST_SUITE_P(Ops, NumericGradient, testing::ValuesIn(op_cases()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace convoy::test
