// The fuzz targets in every build: their seeds, each cut short everywhere and changed at random,
// and what the fuzzers found once.
#include <gtest/gtest.h>

#include "ops/core/random.h"
#include "tests/fuzz/target.h"

namespace convoy::fuzz {
namespace {

constexpr int changes_per_seed = 300;

void run(const Target& target, const std::string& input) {
  EXPECT_NO_THROW(target.run(std::as_bytes(std::span(input))));
}

class FuzzTarget : public testing::TestWithParam<Target> {};

TEST_P(FuzzTarget, TakesOrRefusesWhateverComes) {
  const Target& target = GetParam();
  Random random(1, RandomUse::test, 0);
  run(target, "");
  for (const std::string& seed : target.seeds()) {
    run(target, seed);
    const std::size_t step = seed.size() / changes_per_seed + 1;
    for (std::size_t length = 0; length < seed.size(); length += step) {
      run(target, seed.substr(0, length));
    }
    for (int i = 0; i < changes_per_seed; ++i) {
      std::string changed = seed;
      for (std::uint64_t count = random.below(4) + 1; count > 0 && !changed.empty(); --count) {
        changed[random.below(changed.size())] = static_cast<char>(random.below(256));
      }
      run(target, changed);
    }
  }
}

TEST(FuzzFindings, ControlCharactersInAMessage) {
  run(config, "data: {path: x, augment: [\"pad\\rcrop\"]}");
}

INSTANTIATE_TEST_SUITE_P(All, FuzzTarget, testing::ValuesIn(targets().begin(), targets().end()),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace convoy::fuzz
