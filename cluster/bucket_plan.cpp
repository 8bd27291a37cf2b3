// Where the gradient arena is cut into buckets.
#include <algorithm>

#include "cluster/reducer.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

constexpr std::size_t grain = 16;            // floats: inner cuts fall on cache lines
constexpr std::size_t smallest = 4 * grain;  // of a limit

// Cuts [begin, end), of which all becomes ready at once, into even buckets of `limit` at most.
void cut_evenly(std::size_t begin, std::size_t end, std::size_t limit,
                std::vector<Bucket>& buckets) {
  const std::size_t room = limit - grain;  // a cut moves down by less than a grain
  const std::size_t pieces = (end - begin + room - 1) / room;
  std::size_t from = begin;
  for (std::size_t piece = 1; piece < pieces; ++piece) {
    const std::size_t to = (begin + (end - begin) * piece / pieces) / grain * grain;
    buckets.push_back({from, to});
    from = to;
  }
  buckets.push_back({from, end});
}

// Fills buckets with whole gradients, up to `stop`; a gradient that is larger than `limit` is cut.
void fill(std::span<const std::size_t> ready, std::size_t stop, std::size_t limit,
          std::vector<Bucket>& buckets) {
  std::size_t begin = 0;  // of the bucket being filled
  std::size_t end = 0;
  const auto close = [&] {
    if (end > begin) buckets.push_back({begin, end});
    begin = end;
  };
  for (const std::size_t offset : ready) {
    const std::size_t next = std::min(offset, stop);
    if (next - begin > limit) close();
    end = next;
    if (end - begin > limit) {
      cut_evenly(begin, end, limit, buckets);
      begin = end;
    }
  }
  close();
}

}  // namespace

std::vector<Bucket> cut_buckets(std::span<const std::size_t> ready, BucketLimits limits) {
  require(std::is_sorted(ready.begin(), ready.end()), ExitCode::internal, "gradients",
          "the ends of ready gradients do not ascend");
  std::vector<Bucket> buckets;
  if (ready.empty() || ready.back() == 0) return buckets;
  const std::size_t limit = std::max(limits.bytes / sizeof(float), smallest);
  const std::size_t last = std::clamp(limits.last_bytes / sizeof(float), smallest, limit);
  const std::size_t floats = ready.back();
  // The last bucket holds as many of the last gradients as fit, or the tail of the last one.
  std::size_t stop = floats > last ? floats - last : 0;
  const std::size_t whole = *std::lower_bound(ready.begin(), ready.end(), stop);
  if (stop > 0) stop = whole < floats ? whole : (stop + grain - 1) / grain * grain;
  fill(ready, stop, limit, buckets);
  buckets.push_back({stop, floats});
  return buckets;
}

}  // namespace convoy
