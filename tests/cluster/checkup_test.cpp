// Checkup: what is measured of ranks that are threads, and what follows from facts made up here.
#include "cluster/checkup.h"

#include <gtest/gtest.h>

#include "tests/support/ranks.h"

namespace convoy {
namespace {

using test::expect_holds;

constexpr std::uint64_t gibibyte = 1u << 30;

RankFacts rank_on(const std::string& host, std::vector<int> cores) {
  return {.host = host,
          .numerics = "convoy 1, avx2",
          .cores = std::move(cores),
          .host_cores = 4,
          .memory = 16 * gibibyte,
          .shm = gibibyte,
          .threads = 2,
          .gflops = 80,
          .memory_bandwidth = 10};
}

// Two hosts of two ranks each, as they should be.
Checkup healthy() {
  return {.ranks = {rank_on("a", {0, 1}), rank_on("a", {2, 3}), rank_on("b", {0, 1, 2, 3}),
                    rank_on("b", {0, 1, 2, 3})},
          .links = {{.from = 0, .to = 1, .latency = 1e-6, .bandwidth = 5},
                    {.from = 0, .to = 2, .latency = 2e-6, .bandwidth = 10},
                    {.from = 2, .to = 3, .latency = 1e-6, .bandwidth = 5}},
          .sum_seconds = 0.05};
}

// Of a checkup with one thing wrong.
Finding finding_of(const Checkup& checkup) {
  const std::vector<Finding> findings = findings_of(checkup);
  EXPECT_EQ(findings.size(), 1u);
  return findings.empty() ? Finding() : findings.front();
}

TEST(Checkup, MeasuresRanks) {
  for (const int ranks : {1, 2, 3}) {
    test::on_ranks(ranks, [&](Communicator& communicator) {
      const Checkup checkup = check_up(communicator, "this build", 0.01);
      ASSERT_EQ(checkup.ranks.size(), static_cast<std::size_t>(ranks));
      for (const RankFacts& facts : checkup.ranks) {
        EXPECT_EQ(facts.host, communicator.host());
        EXPECT_EQ(facts.numerics, "this build");
        EXPECT_FALSE(facts.cores.empty());
        EXPECT_GE(facts.host_cores, static_cast<int>(facts.cores.size()));
        EXPECT_GE(facts.threads, 1);
        EXPECT_GT(facts.memory, 0u);
        EXPECT_GT(facts.gflops, 0.01);
        EXPECT_GT(facts.memory_bandwidth, 0.01);
      }
      ASSERT_EQ(checkup.links.size(), ranks > 1 ? 1u : 0u);
      if (ranks == 1) return;
      EXPECT_EQ(checkup.links[0].from, 0);
      EXPECT_EQ(checkup.links[0].to, 1);
      EXPECT_GT(checkup.links[0].latency, 0);
      EXPECT_LT(checkup.links[0].latency, 1);
      EXPECT_GT(checkup.links[0].bandwidth, 0.001);
      EXPECT_GT(checkup.sum_seconds, 0);
    });
  }
}

TEST(Checkup, FindsNothingWhereAllIsWell) {
  EXPECT_TRUE(findings_of(healthy()).empty());
  Checkup alone{.ranks = {rank_on("a", {0, 1, 2, 3})}};
  EXPECT_TRUE(findings_of(alone).empty());
}

TEST(Checkup, FindsRanksThatComputeDifferently) {
  Checkup checkup = healthy();
  checkup.ranks[2].numerics = checkup.ranks[3].numerics = "convoy 1, avx512";
  const Finding finding = finding_of(checkup);
  EXPECT_TRUE(finding.grave);
  expect_holds(finding.text, {"rank 2 on b", "avx512", "rank 0 on a", "avx2"});
}

TEST(Checkup, FindsRanksOnTooFewCores) {
  Checkup checkup = healthy();
  checkup.ranks[0].cores = checkup.ranks[1].cores = {0};
  EXPECT_EQ(finding_of(checkup).text,
            "the 2 ranks of a take turns on 1 of its 4 cores: expected a core for each");
  checkup.ranks[1].cores = {1};
  const Finding bound = finding_of(checkup);
  EXPECT_FALSE(bound.grave);
  expect_holds(bound.text, {"the ranks of a are bound to 2 of its 4 cores", "--bind-to none"});
}

TEST(Checkup, FindsLittleMemory) {
  Checkup checkup = healthy();
  for (const int rank : {2, 3}) checkup.ranks[rank].memory = gibibyte;
  expect_holds(finding_of(checkup).text, {"b has 512 MiB of memory for each", "expected 1024"});
  checkup = healthy();
  for (const int rank : {0, 1}) checkup.ranks[rank].shm = 8u << 20;
  expect_holds(finding_of(checkup).text, {"/dev/shm of a has 8 MiB free for 2 ranks", "32"});
}

TEST(Checkup, FindsWhatIsSlow) {
  Checkup checkup = healthy();
  checkup.ranks[3].gflops = 50;
  EXPECT_EQ(finding_of(checkup).text,
            "rank 3 on b computes 25 GFLOP/s on a core, the median is 40: every step would wait "
            "for it");
  checkup = healthy();
  checkup.links[1].bandwidth = 0.117;
  expect_holds(finding_of(checkup).text, {"from rank 0 on a to rank 2 on b", "0.12 GB/s"});
}

TEST(Checkup, PutsWhatIsGraveFirst) {
  Checkup checkup = healthy();
  checkup.ranks[0].gflops = 50;
  checkup.ranks[1].numerics = "another build";
  const std::vector<Finding> findings = findings_of(checkup);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_TRUE(findings[0].grave);
  EXPECT_FALSE(findings[1].grave);
}

TEST(Checkup, WritesCoresAsRanges) {
  EXPECT_EQ(text_of_cores({}), "");
  EXPECT_EQ(text_of_cores({5}), "5");
  EXPECT_EQ(text_of_cores({0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
}

}  // namespace
}  // namespace convoy
