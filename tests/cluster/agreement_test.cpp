// Agreement: silent where all ranks hold the same, and precise where they do not.
#include "cluster/agreement.h"

#include <mutex>

#include "tests/support/ranks.h"

namespace convoy {
namespace {

using test::error_of;
using test::expect_holds;
using test::on_ranks;

const std::vector<Claim> sound{{"plan", "conv1 64x3x7x7\nbn1 64\nfc 1000x512\n"},
                               {"config", "lr: 0.1\nseed: 7\n"}};

// The message, which must be the same on every rank.
std::string disagreement(int ranks, const std::function<std::vector<Claim>(int)>& claims_of) {
  std::mutex mutex;
  std::string common;
  on_ranks(ranks, [&](Communicator& communicator) {
    const std::string text = error_of(
        ExitCode::ranks, [&] { check_agreement(communicator, claims_of(communicator.rank())); });
    const std::lock_guard lock(mutex);
    if (common.empty()) common = text;
    EXPECT_EQ(text, common);
  });
  EXPECT_EQ(common.find('\n'), std::string::npos) << common;
  return common;
}

TEST(Agreement, IsSilentWhenAllIsEqual) {
  for (const int ranks : {1, 2, 5}) {
    on_ranks(ranks, [](Communicator& communicator) { check_agreement(communicator, sound); });
  }
}

TEST(Agreement, NamesClaimLineAndRank) {
  const std::string text = disagreement(4, [](int rank) {
    std::vector<Claim> claims = sound;
    if (rank == 2) claims[1].text = "lr: 0.1\nseed: 8\n";
    return claims;
  });
  expect_holds(text, {"rank 2 on ", "rank 0 on ", "config", "line 2", "found 'seed: 8'",
                      "expected 'seed: 7'"});
  EXPECT_EQ(text.find("rank 1"), std::string::npos) << text;
  EXPECT_EQ(text.find("rank 3"), std::string::npos) << text;
}

TEST(Agreement, GroupsRanksThatDifferAlike) {
  const std::string text = disagreement(5, [](int rank) {
    std::vector<Claim> claims = sound;
    if (rank == 1 || rank == 3) claims[0].text = "conv1 64x3x7x7\n";
    if (rank == 4) claims[0].text = "conv1 32x3x7x7\n";
    return claims;
  });
  expect_holds(text, {"rank 1 on ", "rank 3 on ", "plan", "line 2: found nothing",
                      "expected 'bn1 64'", "1 other ranks differ otherwise"});
}

// Rank 0 is the odd one out: it is the one all are compared with.
TEST(Agreement, RankZeroIsTheMeasure) {
  const std::string text = disagreement(3, [](int rank) {
    std::vector<Claim> claims = sound;
    if (rank == 0) claims[1].text = "lr: 0.2\nseed: 7\n";
    return claims;
  });
  expect_holds(text, {"rank 1 on ", "rank 2 on ", "line 1: found 'lr: 0.1', expected 'lr: 0.2'"});
}

TEST(Agreement, OtherClaims) {
  expect_holds(disagreement(2,
                            [](int rank) {
                              std::vector<Claim> claims = sound;
                              if (rank == 1) claims.push_back({"dataset", "abc"});
                              return claims;
                            }),
               {"found 3 claims, expected 2"});
  expect_holds(disagreement(2,
                            [](int rank) {
                              std::vector<Claim> claims = sound;
                              if (rank == 0) claims.push_back({"dataset", "abc"});
                              return claims;
                            }),
               {"claim 3: found '', expected 'dataset'"});
  expect_holds(disagreement(2,
                            [](int rank) {
                              std::vector<Claim> claims = sound;
                              if (rank == 1) claims[0].text += "\n";
                              return claims;
                            }),
               {"plan", "line 4: found '', expected nothing"});
}

}  // namespace
}  // namespace convoy
