// Ten steps of a small net as PyTorch takes them: losses, all gradients of the first step, and the
// weights in the end; on every backend, fused or not, for any number of ranks. What the file holds,
// and how it was made: golden/make_golden.py.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "cluster/reducer.h"
#include "ops/executor.h"
#include "tests/support/ranks.h"
#include "trainer/optimizer.h"
#include "trainer/safetensors.h"

namespace convoy {
namespace {

constexpr int steps = 10, batch = 16, classes = 5;
constexpr std::int64_t image_floats = 3 * 16 * 16;

Graph golden_net(int micro_batch) {
  Graph g({micro_batch, 3, 16, 16});
  Value x = conv2d(g, "conv1", g.input(), {.out_channels = 8, .pad = 1, .bias = true});
  x = relu(g, "relu1", batch_norm(g, "bn1", x));
  x = pool2d(g, "pool", x, {.kernel = 2, .stride = 2});
  Value y = conv2d(g, "conv2", x, {.out_channels = 16, .stride = 2, .pad = 1});
  y = batch_norm(g, "bn2", y);
  const Value shortcut = conv2d(g, "shortcut", x, {.out_channels = 16, .kernel = 1, .stride = 2});
  x = relu(g, "relu2", add(g, "add", y, shortcut));
  x = flatten(g, "flatten", global_pool(g, "global_pool", x));
  softmax_loss(g, "loss", linear(g, "fc", x, {.out_features = classes}));
  return g;
}

std::vector<float> floats_of(const Safetensors& golden, const std::string& name) {
  const TensorView* tensor = golden.find(name);
  require(tensor, ExitCode::data, golden.path().string(), "has no tensor {}", name);
  const std::span<const float> elements = elements_of<float>(*tensor);
  return {elements.begin(), elements.end()};
}

// What one run leaves behind, row-major by parameter name.
struct Training {
  std::vector<double> losses;
  std::map<std::string, std::vector<float>> first_gradients;
  std::map<std::string, std::vector<float>> final_weights;
};

// One rank of a run, with one worker thread.
class Rank {
 public:
  Rank(Communicator& communicator, const Safetensors& golden, const char* backend, bool fuse,
       int lanes)
      : golden_(golden),
        lanes_(lanes),
        samples_(batch / lanes),
        backend_(make_backend(backend)),
        plan_(golden_net(samples_), *backend_, {.fuse = fuse}),
        parameters_(plan_),
        prepared_(plan_, parameters_),
        executor_(plan_, parameters_, prepared_),
        reducer_(communicator, lanes, 1, plan_.gradient_floats(),
                 cut_buckets(plan_.ready_offsets(), {.bytes = 1024, .last_bytes = 256})),
        optimizer_({.weight_decay = 1e-4}, plan_.parameters(), plan_.gradient_floats(), lanes),
        images_(samples_ * image_floats * sizeof(float)) {
    for (std::size_t i = 0; i < parameters_.placed().size(); ++i) {
      const PlacedParameter& parameter = parameters_.placed()[i];
      std::vector<float> initial(parameter.desc.shape.elements(),
                                 parameter.role == ParameterRole::running_variance ? 1.0f : 0.0f);
      if (!is_statistic(parameter.role)) initial = floats_of(golden, "initial." + parameter.name);
      parameters_.write(static_cast<int>(i), parameters_.arena(), initial);
    }
  }

  Training train() {
    Training result;
    for (int step = 0; step < steps; ++step) {
      prepared_.refresh();
      for (int lane = reducer_.rank_lanes().begin; lane < reducer_.rank_lanes().end; ++lane) {
        serve(step, lane);
      }
      const std::span<const float> total = reducer_.wait();
      LaneScalars scalars;
      std::memcpy(static_cast<void*>(&scalars), total.data(), sizeof scalars);
      EXPECT_EQ(scalars.samples, batch);
      result.losses.push_back(double{scalars.loss} / batch);
      if (step == 0) result.first_gradients = by_name(total);
      EXPECT_TRUE(optimizer_.step(pool_, {.number = static_cast<std::uint64_t>(step),
                                          .lr = 0.1,
                                          .weights = parameters_.arena(),
                                          .gradient = total}));
    }
    result.final_weights = by_name(parameters_.arena());
    return result;
  }

 private:
  void serve(int step, int lane) {
    const std::size_t first = static_cast<std::size_t>(step) * batch + lane * samples_;
    const auto bytes = elements_of<std::uint8_t>(*golden_.find("images"))
                           .subspan(first * image_floats, samples_ * image_floats);
    const std::span<float> images = images_.as<float>();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      images[i] = (static_cast<float>(bytes[i]) - 128) / 64;
    }
    const auto labels = elements_of<std::int32_t>(*golden_.find("labels")).subspan(first, samples_);

    const std::span<float> gradients = reducer_.lane_buffer(0, lane);
    executor_.forward({.images = images.data(), .labels = labels.data()}, gradients.data());
    LaneScalars scalars{.samples = static_cast<float>(samples_)};
    for (const float loss : executor_.losses()) scalars.loss += loss;
    std::memcpy(gradients.data(), &scalars, sizeof scalars);
    executor_.backward(1.0f / batch, gradients.data(),
                       [&](std::size_t end) { reducer_.ready(0, lane, end); });
  }

  std::map<std::string, std::vector<float>> by_name(std::span<const float> arena) const {
    std::map<std::string, std::vector<float>> tensors;
    for (std::size_t i = 0; i < parameters_.placed().size(); ++i) {
      const PlacedParameter& parameter = parameters_.placed()[i];
      std::vector<float>& tensor = tensors[parameter.name];
      tensor.resize(parameter.desc.shape.elements());
      parameters_.read(static_cast<int>(i), arena, tensor);
    }
    return tensors;
  }

  const Safetensors& golden_;
  int lanes_;
  int samples_;  // of a lane
  std::unique_ptr<Backend> backend_;
  Plan plan_;
  Parameters parameters_;
  PreparedWeights prepared_;
  Executor executor_;
  Reducer reducer_;
  Optimizer optimizer_;
  WorkerPool pool_{1, 1};
  Arena images_;
};

double norm(const std::vector<float>& values) {
  double squares = 0;
  for (const float value : values) squares += double{value} * value;
  return std::sqrt(squares);
}

// Relative to the norm expected; absolute where nothing is (a bias before a batch norm has no
// gradient).
double error_norm(std::vector<float> found, const std::vector<float>& expected) {
  if (found.size() != expected.size()) return INFINITY;
  for (std::size_t i = 0; i < found.size(); ++i) found[i] -= expected[i];
  const double scale = norm(expected);
  return norm(found) / (scale > 1e-6 ? scale : 1.0);
}

struct Setting {
  const char* backend;
  bool fuse;
  int lanes;
  int ranks;
};

void PrintTo(const Setting& s, std::ostream* out) {
  *out << s.backend << (s.fuse ? "_fused_" : "_plain_") << s.lanes << "_lanes_" << s.ranks
       << "_ranks";
}

// All ranks must leave the same bits; returns rank 0's.
Training train(const Safetensors& golden, const Setting& s) {
  std::vector<Training> all(s.ranks);
  test::on_ranks(s.ranks, [&](Communicator& communicator) {
    all[communicator.rank()] = Rank(communicator, golden, s.backend, s.fuse, s.lanes).train();
  });
  for (const Training& other : all) {
    EXPECT_EQ(other.losses, all[0].losses);
    EXPECT_EQ(other.final_weights, all[0].final_weights);
  }
  return all[0];
}

class Golden : public testing::TestWithParam<Setting> {};

TEST_P(Golden, TenSteps) {
  const std::string prefix = "lanes" + std::to_string(GetParam().lanes) + ".";
  const Safetensors golden(CONVOY_GOLDEN_FILE);
  const Training found = train(golden, GetParam());

  const std::vector<float> losses = floats_of(golden, prefix + "losses");
  ASSERT_EQ(losses.size(), steps);
  for (int i = 0; i < steps; ++i) {
    EXPECT_LT(std::abs(found.losses[i] / losses[i] - 1), 1e-5) << "step " << i;
  }
  for (const auto& [name, gradient] : found.first_gradients) {
    if (name.find("running") != std::string::npos) continue;
    EXPECT_LT(error_norm(gradient, floats_of(golden, prefix + "gradient." + name)), 1e-5) << name;
  }
  for (const auto& [name, weights] : found.final_weights) {
    EXPECT_LT(error_norm(weights, floats_of(golden, prefix + "final." + name)), 1e-5) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Settings, Golden,
    testing::Values(Setting{"reference", false, 1, 1}, Setting{"reference", true, 4, 4},
                    Setting{"onednn", false, 1, 1}, Setting{"onednn", true, 1, 1},
                    Setting{"onednn", false, 4, 1}, Setting{"onednn", true, 4, 4}),
    testing::PrintToStringParamName());

TEST(GoldenBits, AreTheSameForAnyNumberOfRanks) {
  const Safetensors golden(CONVOY_GOLDEN_FILE);
  const Training alone = train(golden, {"onednn", true, 4, 1});
  for (const int ranks : {2, 3, 4}) {
    const Training found = train(golden, {"onednn", true, 4, ranks});
    EXPECT_EQ(found.losses, alone.losses) << ranks << " ranks";
    EXPECT_EQ(found.first_gradients, alone.first_gradients) << ranks << " ranks";
    EXPECT_EQ(found.final_weights, alone.final_weights) << ranks << " ranks";
  }
}

}  // namespace
}  // namespace convoy
