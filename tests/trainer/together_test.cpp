// Errors of one rank become the same error on all.
#include "trainer/together.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/support/ranks.h"

namespace convoy {
namespace {

// What each of three ranks saw of `body`, which throws or not.
std::vector<std::string> outcomes(const std::function<void(Communicator&)>& body) {
  std::vector<std::string> seen(3);
  test::on_ranks(3, [&](Communicator& communicator) {
    std::string outcome = "done";
    try {
      body(communicator);
    } catch (const SharedError& error) {
      outcome = fmt::format("{} {}", static_cast<int>(error.code()), error.what());
    }
    communicator.barrier();  // nobody was left waiting
    seen[communicator.rank()] = outcome;
  });
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(seen[0], seen[2]);
  return seen;
}

TEST(Together, PassesWhenAllDo) {
  std::atomic<int> calls{0};
  EXPECT_EQ(outcomes([&](Communicator& c) { together(c, [&] { ++calls; }); })[0], "done");
  EXPECT_EQ(calls, 3);
}

TEST(Together, SaysAnErrorOfAllOnce) {
  EXPECT_EQ(outcomes([](Communicator& c) {
              together(c, [] { fail(ExitCode::config, "x.yaml:3", "lr: found 'a: b'"); });
            })[0],
            "78 x.yaml:3: lr: found 'a: b'");
}

TEST(Together, NamesTheLowestRankThatFailed) {
  const std::string outcome = outcomes([](Communicator& c) {
    together(c, [&] {
      require(c.rank() == 0, ExitCode::data, "shard", "missing on rank {}", c.rank());
    });
  })[0];
  test::expect_holds(outcome, {"65 rank 1 on ", ": shard: missing on rank 1"});
}

TEST(Together, CatchesWhatIsNotOurs) {
  EXPECT_EQ(
      outcomes([](Communicator& c) { together(c, [] { throw std::runtime_error("odd"); }); })[0],
      "70 unexpected: odd");
}

TEST(ByRoot, RunsOnRankZeroAlone) {
  std::atomic<int> calls{0};
  EXPECT_EQ(outcomes([&](Communicator& c) { by_root(c, [&] { ++calls; }); })[0], "done");
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(outcomes([](Communicator& c) {
              by_root(c, [] { fail(ExitCode::storage, "disk", "full"); });
            })[0],
            "74 disk: full");
}

}  // namespace
}  // namespace convoy
