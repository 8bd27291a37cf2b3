// Batch normalisation worked out by hand: src {1, 3} has mean 2 and variance 1 (unbiased 2), so
// that with epsilon 3 the deviation is 2 and the normalised values are -1/2 and 1/2.
#include <algorithm>
#include <barrier>
#include <cmath>
#include <functional>
#include <span>
#include <thread>

#include "tests/ops/hand_value.h"

namespace convoy::test {
namespace {

class BatchNormValues : public HandValue {
 protected:
  static OpInputs inputs(const std::vector<float>& diff_dst) {
    return {.src = {{1, 3}}, .parameters = {{4}, {1}, {0}, {1}}, .diff_dst = {diff_dst}};
  }
  static void expect_close(const std::vector<float>& found, const std::vector<float>& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_NEAR(found[i], expected[i], 1e-5 * (1 + std::abs(expected[i]))) << i;
    }
  }
  const Shape shape_{2, 1, 1, 1};
};

TEST_P(BatchNormValues, Training) {
  const OpOutputs out = run(BatchNorm{.epsilon = 3}, {shape_}, inputs({1, 3}));
  expect_near(out.dst, {-1, 3});
  expect_near(out.diff_src[0], {-1.5f, 1.5f});
  expect_near(out.gradients[0], {1});
  expect_near(out.gradients[1], {4});
  expect_near(out.gradients[2], {2});
  expect_near(out.gradients[3], {2});
}

TEST_P(BatchNormValues, WithRelu) {
  const OpOutputs out = run(BatchNorm{.epsilon = 3, .relu = true}, {shape_}, inputs({1, 3}));
  expect_near(out.dst, {0, 3});
  expect_near(out.diff_src[0], {-2.25f, 2.25f});
  expect_near(out.gradients[0], {1.5f});
  expect_near(out.gradients[1], {3});
}

TEST_P(BatchNormValues, CutOffAbove) {
  const OpOutputs out =
      run(BatchNorm{.epsilon = 3, .relu = true, .relu_cap = 2}, {shape_}, inputs({1, 3}));
  expect_near(out.dst, {0, 2});
  expect_near(out.diff_src[0], {0, 0});
  expect_near(out.gradients[1], {0});
}

TEST_P(BatchNormValues, WithAddAndRelu) {
  OpInputs in = inputs({1, 3});
  in.src.push_back({2, -5});
  const OpOutputs out =
      run(BatchNorm{.epsilon = 3, .add = true, .relu = true}, {shape_, shape_}, in);
  expect_near(out.dst, {1, 0});
  expect_near(out.diff_src[0], {0.75f, -0.75f});
  expect_near(out.diff_src[1], {1, 0});
  expect_near(out.gradients[0], {-0.5f});
  expect_near(out.gradients[1], {1});
}

TEST_P(BatchNormValues, InferenceUsesTheRunningStatistics) {
  const OpOutputs out = run(BatchNorm{.epsilon = 3}, {shape_},
                            {.src = {{1, 4}}, .parameters = {{4}, {1}, {1}, {6}}}, Mode::inference);
  expect_near(out.dst, {1, 5});
}

// (src - 1) / 3 * 4 + 1, whatever the batch.
TEST_P(BatchNormValues, FixedStatisticsAreConstants) {
  const OpOutputs out =
      run(BatchNorm{.epsilon = 3, .fixed_statistics = true}, {shape_},
          {.src = {{1, 4}}, .parameters = {{4}, {1}, {1}, {6}}, .diff_dst = {{1, 3}}});
  expect_near(out.dst, {1, 5});
  expect_near(out.diff_src[0], {4.0f / 3, 4});
  expect_near(out.gradients[0], {3});
  expect_near(out.gradients[1], {4});
  EXPECT_TRUE(out.gradients[2].empty());
}

// Far from zero, a variance from the mean of squares would lose all digits.
TEST_P(BatchNormValues, SurvivesALargeMean) {
  OpInputs in = inputs({0, 0});
  in.src = {{10001, 10003}};
  const OpOutputs out = run(BatchNorm{.epsilon = 3}, {shape_}, in);
  expect_near(out.dst, {-1, 3});
  expect_near(out.gradients[3], {2});
}

TEST_P(BatchNormValues, OneValuePerChannelIsRefused) {
  const std::vector<TensorDesc> src{plain_desc({1, 6, 1, 1})};
  try {
    backend_->make(BatchNorm{}, {.place = "bn1", .src = src});
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::config);
    EXPECT_EQ(std::string(error.what()).substr(0, 23), "bn1: input is 1x6x1x1: ");
  }
}

// What the lanes of a group of threads hand in, added up in the order of the lanes.
class LaneSum {
 public:
  explicit LaneSum(int lanes) : parts_(lanes), meeting_(lanes) {}

  void add(int lane, std::span<double> values) {
    parts_[lane] = values;
    meeting_.arrive_and_wait();
    std::vector<double> sum(values.size());
    for (const std::span<double> part : parts_) {
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += part[i];
    }
    meeting_.arrive_and_wait();
    std::copy(sum.begin(), sum.end(), values.begin());
  }

 private:
  std::vector<std::span<double>> parts_;
  std::barrier<> meeting_;
};

// Images [first, first + count) of a batch.
std::vector<float> slice(const std::vector<float>& batch, std::int64_t images, std::int64_t first,
                         std::int64_t count) {
  const std::int64_t image = static_cast<std::int64_t>(batch.size()) / images;
  return {batch.begin() + first * image, batch.begin() + (first + count) * image};
}

// Four lanes of two images compute what one lane of eight does.
TEST_P(BatchNormValues, SynchronisedLanesAreOneBatch) {
  constexpr int lanes = 4, rows = 2;
  const BatchNorm op{.add = true, .relu = true, .synchronised = true};
  const Shape whole{lanes * rows, 19, 3, 5}, part{rows, 19, 3, 5};
  OpInputs inputs = random_inputs({"", op, {whole, whole}}, 3);
  for (std::size_t i = 0; i < inputs.src[0].size(); ++i) {
    inputs.src[0][i] += i < inputs.src[0].size() / 3 ? 20.0f : 0.0f;  // lanes unlike one another
  }
  const OpOutputs expected = run(op, {whole, whole}, inputs);

  LaneSum sum(lanes);
  std::vector<OpOutputs> found(lanes);
  std::vector<std::thread> threads;
  for (int lane = 0; lane < lanes; ++lane) {
    threads.emplace_back([&, lane] {
      const std::function<void(std::span<double>)> add = [&](std::span<double> values) {
        sum.add(lane, values);
      };
      OpInputs own = inputs;
      for (auto* values : {&own.src, &own.diff_dst}) {
        for (auto& v : *values) v = slice(v, lanes * rows, lane * rows, rows);
      }
      own.sum_over_lanes = &add;
      found[lane] = run(op, {part, part}, own);
    });
  }
  for (std::thread& thread : threads) thread.join();

  for (int lane = 0; lane < lanes; ++lane) {
    const auto of_lane = [&](const std::vector<float>& batch) {
      return slice(batch, lanes * rows, lane * rows, rows);
    };
    expect_close(found[lane].dst, of_lane(expected.dst));
    expect_close(found[lane].diff_src[0], of_lane(expected.diff_src[0]));
    expect_close(found[lane].diff_src[1], of_lane(expected.diff_src[1]));
    EXPECT_EQ(found[lane].gradients[2], found[0].gradients[2]);
    EXPECT_EQ(found[lane].gradients[3], found[0].gradients[3]);
  }
  expect_close(found[0].gradients[2], expected.gradients[2]);
  expect_close(found[0].gradients[3], expected.gradients[3]);
  for (const int parameter : {0, 1}) {
    std::vector<float> total(19);
    for (const OpOutputs& lane : found) {
      for (std::size_t c = 0; c < total.size(); ++c) total[c] += lane.gradients[parameter][c];
    }
    expect_close(total, expected.gradients[parameter]);
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, BatchNormValues, every_backend());

}  // namespace
}  // namespace convoy::test
