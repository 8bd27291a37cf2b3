// One seed, one stream of batches: the same bits for any number of ranks and loader threads, from
// the start or from the middle, in every order.
#include "trainer/batch_digest.h"

#include <gtest/gtest.h>

#include <set>

#include "ops/core/log.h"
#include "tests/support/ranks.h"
#include "tests/trainer/temporary_folder.h"
#include "tests/trainer/tiny_data.h"
#include "trainer/setup.h"
#include "trainer/training_loader.h"

namespace convoy {
namespace {

constexpr int lanes = 4;

class BatchDigest : public testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    test::make_tiny_data(folder_->path(), 150, 10);
  }
  static void TearDownTestSuite() { delete folder_; }

  static Config config() {
    return parse_config(R"(
model: {name: resnet8, classes: 4}
data:
  channels: 1
  block_mib: 0.0005
  window: 3
  mix: {mixup: 0.2, cutmix: 1, probability: 0.8}
  augment: [{pad_and_crop: {size: 8, pad: 1}}, flip]
batch: {global: 16, lanes: 4}
)",
                        "test",
                        {"data.path=" + folder_->path().string(), "data.order=" + GetParam()});
  }
  // Of steps [first, end), by loaders that begin at step `start`.
  static std::string digest(int ranks, int threads, std::uint64_t start, std::uint64_t first,
                            std::uint64_t end) {
    std::string text;
    test::on_ranks(ranks, [&](Communicator& communicator) {
      Config mine = config();
      const Dataset dataset(mine.data.path, "train");
      complete(mine, dataset);
      const LaneRange range = lanes_of(communicator.rank(), communicator.size(), lanes);
      const LaneSlots slots({range});
      const auto loader = make_training_loader({.config = mine,
                                                .dataset = dataset,
                                                .slots = slots,
                                                .threads = threads,
                                                .first_step = start,
                                                .end_step = end});
      const auto part = [&](std::uint64_t from, std::uint64_t to) {
        return batch_digest(communicator, {.source = *loader,
                                           .slots = slots,
                                           .lanes = range,
                                           .all_lanes = lanes,
                                           .first_step = from,
                                           .end_step = to});
      };
      part(start, first);
      const std::string found = part(first, end);
      if (communicator.rank() == 0) text = found;
    });
    return text;
  }

  static TemporaryFolder* folder_;
};
TemporaryFolder* BatchDigest::folder_ = nullptr;

// 150 samples, so that steps 9, 18 and 28 straddle epochs.
TEST_P(BatchDigest, IsTheSameForAnyRanksAndThreads) {
  const std::string expected = digest(1, 1, 0, 0, 30);
  EXPECT_EQ(expected.size(), 16u);
  for (const int ranks : {1, 2, 3, 4}) {
    for (const int threads : {1, 2, 3, 4}) {
      EXPECT_EQ(digest(ranks, threads, 0, 0, 30), expected) << ranks << " x " << threads;
    }
  }
}

TEST_P(BatchDigest, IsTheSameAfterAResume) {
  const std::string expected = digest(1, 2, 0, 17, 30);
  for (const int ranks : {1, 2, 4}) {
    EXPECT_EQ(digest(ranks, 2, 17, 17, 30), expected) << ranks;
    EXPECT_EQ(digest(ranks, 1, 5, 17, 30), expected) << ranks;
  }
  EXPECT_NE(digest(1, 2, 16, 16, 29), expected);
}

INSTANTIATE_TEST_SUITE_P(Orders, BatchDigest,
                         testing::Values("full", "blocked", "sequential", "balanced"),
                         [](const auto& order) { return order.param; });

}  // namespace
}  // namespace convoy
