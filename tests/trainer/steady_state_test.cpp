// A step allocates nothing, on one rank or on two. With the reference backend: oneDNN allocates a
// little inside each of its own calls, which would hide ours.
#include <gtest/gtest.h>

#include <array>

#include "ops/core/log.h"
#include "tests/support/allocations.h"
#include "tests/support/ranks.h"
#include "tests/trainer/temporary_folder.h"
#include "tests/trainer/tiny_data.h"
#include "trainer/session.h"

namespace convoy {
namespace {

TEST(SteadyState, AStepAllocatesNothing) {
  set_quiet(true);
  const TemporaryFolder folder;
  test::make_tiny_data(folder.path() / "data", 400, 20);
  const Config config = parse_config(R"(
steps: 20
backend: reference
model: {name: resnet8}
data: {channels: 1, augment: [{pad_and_crop: {size: 8, pad: 1}}, flip], loader_threads: 1}
batch: {global: 16, lanes: 4}
evaluation: {every_epochs: 0}
checkpoint: {every_epochs: 0}
log_every_steps: 1000
threads: 2
)",
                                     "test",
                                     {"data.path=" + (folder.path() / "data").string(),
                                      "run_folder=" + (folder.path() / "run").string()});
  for (const int ranks : {1, 2}) {
    std::filesystem::remove_all(folder.path() / "run");
    std::array<std::int64_t, 20> before{};  // each step, as rank 0 begins it
    test::on_ranks(ranks, [&](Communicator& communicator) {
      const bool first = communicator.rank() == 0;
      train(config, communicator, {.stop_requested = [&](std::uint64_t step) {
              if (first) before[step] = allocations();
              return false;
            }});
    });
    // The first steps grow scratch memory (of one loader thread, so that it has surely met whatever
    // makes it grow); the last is followed by the end of the run.
    EXPECT_EQ(before[19] - before[10], 0) << ranks << " ranks";
  }
}

}  // namespace
}  // namespace convoy
