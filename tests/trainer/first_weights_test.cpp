// What parameters hold before the first step, where that is more than chance.
#include "trainer/first_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data/loader.h"
#include "ops/backend.h"
#include "ops/core/log.h"
#include "tests/trainer/temporary_folder.h"
#include "tests/trainer/tiny_data.h"

namespace convoy {
namespace {

class FirstWeights : public testing::Test {
 protected:
  static constexpr int images = 60;

  void SetUp() override {
    set_quiet(true);
    test::make_tiny_data(folder_.path() / "data", images, 8);
    dataset_.emplace(folder_.path() / "data", "train");
    config_.model.name = "resnet8";
    config_.model.classes = 3;
    config_.data.channels = 1;
    config_.data.mean = {0.4};
    config_.data.std = {0.2};
  }

  std::vector<float> weights_of(const std::string& name) {
    const auto backend = make_reference_backend();
    const Network network(config_.model, {2, 1, 8, 8}, *backend);
    Parameters parameters(network.plan);
    make_first_weights(config_, network, *dataset_, parameters);
    for (std::size_t i = 0; i < parameters.placed().size(); ++i) {
      if (parameters.placed()[i].name != name) continue;
      std::vector<float> values(parameters.placed()[i].desc.shape.elements());
      parameters.read(static_cast<int>(i), parameters.arena(), values);
      return values;
    }
    ADD_FAILURE() << "no parameter " << name;
    return {};
  }

  std::string error() {
    try {
      weights_of("conv1.weight");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::config);
      return error.what();
    }
    return "";
  }

  TemporaryFolder folder_;
  std::optional<Dataset> dataset_;
  Config config_;
};

// Filters of a pair are opposite; outputs of different pairs are uncorrelated, and of variance 1
// but for what keeps small eigenvalues from being divided by.
TEST_F(FirstWeights, WhitenedOutputsAreUncorrelated) {
  const std::vector<float> drawn = weights_of("conv1.weight");
  config_.init.whiten = "conv1";
  const std::vector<float> weights = weights_of("conv1.weight");
  constexpr int taps = 9, pairs = 8;
  ASSERT_EQ(weights.size(), 16u * taps);
  EXPECT_NE(weights, drawn);

  double moments[pairs][pairs] = {};
  Loader loader(*dataset_, Pipeline{.normalize = {{0.4f}, {0.2f}}, .channels = 1},
                {.end_slot = images},
                [](std::uint64_t slot, int) { return RowKey{.index = slot}; });
  for (std::uint64_t slot = 0; slot < images; ++slot) {
    const Batch batch = loader.acquire(slot);
    for (int at = 0; at < 36; ++at) {
      double outputs[pairs] = {};
      for (int pair = 0; pair < pairs; ++pair) {
        for (int k = 0; k < taps; ++k) {
          const int pixel = (at / 6 + k / 3) * 8 + at % 6 + k % 3;
          outputs[pair] += weights[2 * pair * taps + k] * batch.images[pixel];
        }
      }
      for (int a = 0; a < pairs; ++a) {
        for (int b = 0; b < pairs; ++b) moments[a][b] += outputs[a] * outputs[b] / (images * 36.0);
      }
    }
    loader.release(batch);
  }
  for (int a = 0; a < pairs; ++a) {
    for (int k = 0; k < taps; ++k) {
      EXPECT_EQ(weights[2 * a * taps + k], -weights[(2 * a + 1) * taps + k]);
    }
    for (int b = 0; b < pairs; ++b) EXPECT_NEAR(moments[a][b], a == b ? 1 : 0, 0.02) << a << b;
  }
}

TEST_F(FirstWeights, WhiteningHeedsTheBadSamplePolicy) {
  test::copy_damaged(folder_.path() / "data", folder_.path() / "damaged");
  dataset_.emplace(folder_.path() / "damaged", "train");
  config_.init.whiten = "conv1";
  EXPECT_THROW(weights_of("conv1.weight"), Error);
  config_.data.bad_samples = BadSamples::skip;
  const std::vector<float> weights = weights_of("conv1.weight");
  EXPECT_TRUE(std::ranges::all_of(weights, [](float w) { return std::isfinite(w); }));
}

TEST_F(FirstWeights, OnlyAFirstConvolutionIsWhitened) {
  config_.init.whiten = "layer1.0.conv1";
  EXPECT_NE(error().find("init.whiten: found 'layer1.0.conv1'"), std::string::npos);
  config_.init.whiten = "fc";
  EXPECT_NE(error().find("convolution on the images"), std::string::npos);
}

TEST_F(FirstWeights, IdentitiesPassChannelsOn) {
  const std::vector<float> drawn = weights_of("layer2.0.conv1.weight");
  config_.init.identity = {"layer2.0.conv?.weight"};
  const std::vector<float> weights = weights_of("layer2.0.conv1.weight");
  constexpr int inputs = 16, taps = 9;
  ASSERT_EQ(weights.size(), 32u * inputs * taps);
  for (int i = 0; i < 32 * inputs * taps; ++i) {
    const int filter = i / (inputs * taps), input = i / taps % inputs;
    const float first = input == filter && i % taps == 4 ? 1 : 0;
    EXPECT_EQ(weights[i], filter < inputs ? first : drawn[i]) << i;
  }
}

TEST_F(FirstWeights, AnIdentityOfNothingIsAnError) {
  config_.init.identity = {"fc.weight"};
  EXPECT_NE(error().find("'fc.weight' fits no weights of a convolution"), std::string::npos);
}

}  // namespace
}  // namespace convoy
