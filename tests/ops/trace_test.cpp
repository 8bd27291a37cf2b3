// Traces: spans of threads, and the file that viewers read.
#include "ops/core/trace.h"

#include <gtest/gtest.h>

#include "tests/support/allocations.h"

namespace convoy {
namespace {

TEST(Track, KeepsSpansInTheOrderOfTheirEnds) {
  Track track("worker 0", 10);
  {
    const Traced outer(&track, "outer", "kind");
    const Traced inner(&track, "inner");
  }
  ASSERT_EQ(track.spans().size(), 2u);
  const Track::Span &inner = track.spans()[0], &outer = track.spans()[1];
  EXPECT_EQ(inner.name, "inner");
  EXPECT_EQ(outer.name, "outer");
  EXPECT_EQ(outer.kind, "kind");
  EXPECT_LE(outer.begin, inner.begin);
  EXPECT_LE(inner.begin, inner.end);
  EXPECT_LE(inner.end, outer.end);
}

TEST(Track, CountsWhatIsTooManyAndAllocatesNothing) {
  Track track("worker 0", 3);
  const std::int64_t before = allocations();
  for (int i = 0; i < 5; ++i) const Traced traced(&track, "step");
  const Traced nowhere(nullptr, "step");
  EXPECT_EQ(allocations(), before);
  EXPECT_EQ(track.spans().size(), 3u);
  EXPECT_EQ(track.lost(), 2u);
}

TEST(Trace, IsAFileOfEvents) {
  const Track::Clock::time_point start{};
  const auto at = [&](int us) { return start + std::chrono::microseconds(us); };
  std::vector<Track> tracks;
  tracks.emplace_back("worker 0", 10);
  tracks.back().add({"a \"layer\"", "forward", at(5), at(12)});
  EXPECT_EQ(
      trace_file({trace_events(3, "node1", tracks, start), trace_events(4, "node2", {}, start)}),
      R"({"displayTimeUnit":"ms","traceEvents":[
{"name":"process_name","ph":"M","pid":3,"tid":0,"args":{"name":"rank 3 on node1"}},
{"name":"thread_name","ph":"M","pid":3,"tid":0,"args":{"name":"worker 0"}},
{"name":"a \"layer\"","cat":"forward","ph":"X","ts":5.000,"dur":7.000,"pid":3,"tid":0},
{"name":"process_name","ph":"M","pid":4,"tid":0,"args":{"name":"rank 4 on node2"}}
]}
)");
}

}  // namespace
}  // namespace convoy
