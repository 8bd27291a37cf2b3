#include "tests/cluster/lane_sums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <thread>

#include "cluster/lanes.h"
#include "ops/core/random.h"
#include "tests/support/allocations.h"

namespace convoy::test {
namespace {

// Numbers of very different size, so that almost any other order of adding changes bits.
float gradient(int step, int lane, std::size_t i) {
  Random random(static_cast<std::uint64_t>(step), RandomUse::test, i,
                static_cast<std::uint32_t>(lane));
  const auto exponent = static_cast<int>(random.below(24)) - 12;
  return random.uniform(-1, 1) * std::ldexp(1.0F, exponent);
}

// The definition.
float tree_sum(int step, int begin, int end, std::size_t i) {
  if (end - begin == 1) return gradient(step, begin, i);
  const int middle = tree_split({begin, end});
  return tree_sum(step, begin, middle, i) + tree_sum(step, middle, end, i);
}

}  // namespace

std::vector<std::uint32_t> bits(std::span<const float> values) {
  std::vector<std::uint32_t> all;
  for (const float value : values) all.push_back(std::bit_cast<std::uint32_t>(value));
  return all;
}

std::vector<std::uint32_t> expected_bits(int step, int lanes, std::size_t floats) {
  std::vector<float> sums;
  for (std::size_t i = 0; i < floats; ++i) sums.push_back(tree_sum(step, 0, lanes, i));
  return bits(sums);
}

namespace {

// What a worker thread of the trainer does in a step; `stride`: floats between two reports.
void serve_lanes(Reducer& reducer, int worker, int step, std::size_t stride) {
  const LaneRange own = reducer.worker_lanes(worker);
  for (int lane = own.begin; lane < own.end; ++lane) {
    const std::span<float> buffer = reducer.lane_buffer(worker, lane);
    for (std::size_t begin = 0; begin < buffer.size(); begin += stride) {
      const std::size_t end = std::min(begin + stride, buffer.size());
      for (std::size_t i = begin; i < end; ++i) buffer[i] = gradient(step, lane, i);
      reducer.ready(worker, lane, end);
    }
  }
}

}  // namespace

void run_step(Reducer& reducer, int workers, int step, std::size_t stride) {
  std::vector<std::jthread> others;
  for (int w = 1; w < workers; ++w) {
    others.emplace_back([&, w] { serve_lanes(reducer, w, step, stride); });
  }
  serve_lanes(reducer, 0, step, stride);
}

void expect_no_allocation(Communicator& communicator) {
  const int lanes = 3 * communicator.size() - 1;
  Reducer reducer(communicator, lanes, 1, 3000, {{0, 10}, {10, 2000}, {2000, 3000}});
  const auto steps = [&](int count) {
    for (int step = 0; step < count; ++step) {
      communicator.set_activity("forward and backward", step);
      run_step(reducer, 1, step, 500);
      communicator.set_activity("wait for sums", step);
      reducer.wait();
      double loss = 1;
      communicator.all_reduce_sum({&loss, 1});
    }
    communicator.barrier();
  };
  steps(3);
  const std::int64_t before = allocations();
  communicator.barrier();
  steps(5);
  EXPECT_EQ(allocations(), before);
  communicator.barrier();
}

}  // namespace convoy::test
