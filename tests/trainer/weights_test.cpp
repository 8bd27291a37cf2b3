// Weights by name: out to torchvision's names and back, in any backend's layouts; misfits named.
#include "trainer/weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "ops/backend.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy {
namespace {

namespace fs = std::filesystem;

// conv1 (grouped), bn1, fc: every kind of parameter.
Graph small_net(int classes) {
  Graph g(Shape{2, 4, 6, 6});
  Value x = conv2d(g, "conv1", g.input(), {.out_channels = 24, .kernel = 3, .groups = 2});
  x = relu(g, "relu", batch_norm(g, "bn1", x));
  x = linear(g, "fc", flatten(g, "flatten", x), {.out_features = classes});
  softmax_loss(g, "loss", x);
  return g;
}

struct Net {
  explicit Net(const std::string& backend_name, int classes = 5)
      : backend(make_backend(backend_name)), plan(small_net(classes), *backend), parameters(plan) {}

  // Different values everywhere, the same for all backends.
  void fill(float first) {
    for (std::size_t i = 0; i < parameters.placed().size(); ++i) {
      std::vector<float> logical(parameters.placed()[i].desc.shape.elements());
      std::iota(logical.begin(), logical.end(), first + 1000.0f * static_cast<float>(i));
      parameters.write(static_cast<int>(i), parameters.arena(), logical);
    }
  }
  TensorMap exported(std::int64_t batches = 9) const {
    TensorMap tensors;
    export_parameters(parameters, batches, tensors);
    return tensors;
  }

  std::unique_ptr<Backend> backend;
  Plan plan;
  Parameters parameters;
};

class Weights : public testing::TestWithParam<const char*> {
 protected:
  WrittenFile save(const TensorMap& tensors, const std::string& name = "weights") {
    std::vector<TensorView> views;
    for (const auto& [key, tensor] : tensors) {
      views.push_back({key, tensor.dtype, tensor.shape, tensor.bytes});
    }
    fs::remove(path(name));
    return write_safetensors(path(name), views, {});
  }
  fs::path path(const std::string& name = "weights") const { return folder_.path() / name; }

 private:
  TemporaryFolder folder_;
};

std::vector<float> floats(const OwnedTensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

bool equal(const TensorMap& a, const TensorMap& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.dtype == y.second.dtype &&
           x.second.shape == y.second.shape && x.second.bytes == y.second.bytes;
  });
}

TEST_P(Weights, ExportUsesTheNamesAndLayoutsOfTorchvision) {
  Net net(GetParam());
  net.fill(0);
  const TensorMap tensors = net.exported();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    names.push_back(fmt::format("{} {} {}", name, name_of(tensor.dtype), tensor.shape.text()));
  }
  EXPECT_EQ(names, (std::vector<std::string>{
                       "bn1.bias f32 24", "bn1.num_batches_tracked i64 scalar",
                       "bn1.running_mean f32 24", "bn1.running_var f32 24", "bn1.weight f32 24",
                       "conv1.weight f32 24x2x3x3", "fc.bias f32 5", "fc.weight f32 5x384"}));
  std::int64_t batches = 0;
  std::memcpy(&batches, tensors.at("bn1.num_batches_tracked").bytes.data(), sizeof batches);
  EXPECT_EQ(batches, 9);
  const std::vector<float> conv = floats(tensors.at("conv1.weight"));
  for (std::size_t i = 1; i < conv.size(); ++i) EXPECT_EQ(conv[i], conv[0] + static_cast<float>(i));
}

TEST_P(Weights, GoOutAndComeBack) {
  Net net(GetParam());
  net.fill(0.5f);
  save(net.exported());
  Net other(GetParam());
  EXPECT_EQ(import_parameters(Safetensors(path()), other.parameters), 7);
  EXPECT_TRUE(equal(other.exported(), net.exported()));
}

// A checkpoint's bytes depend on the weights alone, and each backend reads the others'.
TEST_P(Weights, BytesDoNotDependOnTheBackend) {
  Net net(GetParam()), reference("reference");
  net.fill(1);
  reference.fill(1);
  EXPECT_EQ(save(net.exported()), save(reference.exported(), "reference"));
}

TEST_P(Weights, ExportReusesMemory) {
  Net net(GetParam());
  TensorMap tensors = net.exported();
  std::vector<const std::byte*> before, after;
  for (const auto& [name, tensor] : tensors) before.push_back(tensor.bytes.data());
  export_parameters(net.parameters, 10, tensors);
  for (const auto& [name, tensor] : tensors) after.push_back(tensor.bytes.data());
  EXPECT_EQ(before, after);
}

TEST_P(Weights, OtherArenasTravelUnderAPrefix) {
  Net net(GetParam());
  net.fill(3);
  TensorMap state;
  export_arena(net.parameters, net.parameters.arena(), "momentum/", Holds::trained, state);
  EXPECT_EQ(state.size(), 5u);
  EXPECT_TRUE(state.contains("momentum/conv1.weight"));
  put_floats(state, "average/other", Shape{3});  // not ours to judge
  save(state);
  Net other(GetParam());
  import_arena(Safetensors(path()), other.parameters, "momentum/", Holds::trained,
               other.parameters.arena());
  TensorMap again;
  export_arena(other.parameters, other.parameters.arena(), "momentum/", Holds::trained, again);
  state.erase("average/other");
  EXPECT_TRUE(equal(again, state));
  EXPECT_THROW(import_arena(Safetensors(path()), other.parameters, "momentum/", Holds::all,
                            other.parameters.arena()),
               Error);
}

// The message of the Error(code) that `action` throws.
template <class Action>
std::string message_of(ExitCode code, Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  ADD_FAILURE() << "nothing thrown";
  return {};
}

TEST_P(Weights, NamesEveryMisfitInOneLineAndWritesNothing) {
  Net net(GetParam());
  net.fill(0);
  TensorMap tensors = net.exported();
  tensors.erase("bn1.bias");
  tensors.erase("bn1.running_var");
  put_floats(tensors, "conv9.weight", Shape{2, 2});
  put_floats(tensors, "fc.weight", Shape{1000, 384});
  put(tensors, "fc.bias", DType::bf16, Shape{5});
  save(tensors);
  Net other(GetParam());
  other.fill(7);
  const TensorMap before = other.exported();
  EXPECT_EQ(
      message_of(ExitCode::data, [&] { import_parameters(Safetensors(path()), other.parameters); }),
      path().string() +
          ": does not fit this model"
          "; 2 missing: bn1.bias (24), bn1.running_var (24)"
          "; 1 unexpected: \"conv9.weight\" (2x2)"
          "; 2 of another shape or type: fc.weight (f32 1000x384, expected f32 5x384), "
          "fc.bias (bf16 5, expected f32 5)");
  EXPECT_TRUE(equal(other.exported(), before));
}

TEST_P(Weights, LongListsAreCut) {
  Net net(GetParam());
  TensorMap tensors = net.exported();
  for (int i = 0; i < 100; ++i) put_floats(tensors, fmt::format("extra{:03}", i), Shape{1});
  save(tensors);
  const std::string message =
      message_of(ExitCode::data, [&] { import_parameters(Safetensors(path()), net.parameters); });
  EXPECT_NE(message.find("100 unexpected: \"extra000\" (1), "), std::string::npos) << message;
  EXPECT_TRUE(message.ends_with("\"extra011\" (1) and 88 more")) << message;
}

TEST_P(Weights, SkipLeavesAHeadOfAnotherSize) {
  Net thousand(GetParam(), 1000);
  thousand.fill(5);
  save(thousand.exported());
  Net five(GetParam(), 5);
  five.fill(0);
  const TensorMap before = five.exported();
  EXPECT_EQ(
      import_parameters(Safetensors(path()), five.parameters, {.skip = {"fc.*"}, .rename = {}}), 5);
  const TensorMap after = five.exported();
  EXPECT_EQ(after.at("fc.weight").bytes, before.at("fc.weight").bytes);
  EXPECT_EQ(after.at("conv1.weight").bytes, thousand.exported().at("conv1.weight").bytes);
  EXPECT_EQ(message_of(ExitCode::config,
                       [&] {
                         import_parameters(Safetensors(path()), five.parameters,
                                           {.skip = {"head.*"}, .rename = {}});
                       }),
            "skip: \"head.*\" fits no parameter of this model");
}

TEST_P(Weights, MustBeFinite) {
  Net net(GetParam());
  net.fill(2);
  TensorMap tensors = net.exported();
  const float bad = -INFINITY;
  std::memcpy(tensors.at("fc.bias").bytes.data() + 3 * sizeof bad, &bad, sizeof bad);
  save(tensors);
  Net other(GetParam());
  other.fill(0);
  const TensorMap before = other.exported();
  const std::string message =
      message_of(ExitCode::data, [&] { import_parameters(Safetensors(path()), other.parameters); });
  EXPECT_TRUE(message.ends_with("\"fc.bias\"[3] is -inf, expected finite values")) << message;
  EXPECT_TRUE(equal(other.exported(), before));
}

TEST_P(Weights, RenameChangesBeginnings) {
  Net net(GetParam());
  net.fill(2);
  TensorMap tensors;
  for (auto& [name, tensor] : net.exported()) {
    tensors[name.starts_with("fc.") ? "module.head." + name.substr(3) : "module." + name] = tensor;
  }
  save(tensors);
  Net other(GetParam());
  ImportOptions options;
  options.rename = {{"module.head.", "fc."}, {"module.", ""}};
  EXPECT_EQ(import_parameters(Safetensors(path()), other.parameters, options), 7);
  EXPECT_TRUE(equal(other.exported(), net.exported()));
  options.rename = {{"module.head.bias", "fc.weight"}, {"module.head.", "fc."}, {"module.", ""}};
  EXPECT_NE(message_of(ExitCode::data,
                       [&] { import_parameters(Safetensors(path()), other.parameters, options); })
                .find("two tensors become \"fc.weight\""),
            std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Backends, Weights, testing::Values("reference", "onednn"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace convoy
