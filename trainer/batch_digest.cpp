#include "trainer/batch_digest.h"

#include <span>
#include <vector>

#include "ops/core/checksum.h"

namespace convoy {

std::string batch_digest(Communicator& communicator, const DigestRequest& request) {
  constexpr std::size_t words = 2;  // of a lane's batch: whole numbers below 2^32
  const std::uint64_t steps = request.end_step - request.first_step;
  std::vector<double> all(steps * request.all_lanes * words);
  for (std::uint64_t step = request.first_step; step < request.end_step; ++step) {
    for (int lane = request.lanes.begin; lane < request.lanes.end; ++lane) {
      const Batch batch = request.source.acquire(request.slots.slot(step, lane));
      std::uint32_t about = crc32c(std::as_bytes(batch.labels));
      about = crc32c(std::as_bytes(batch.sample_ids), about);
      about = crc32c(std::as_bytes(batch.soft_labels), about);
      double* place = &all[((step - request.first_step) * request.all_lanes + lane) * words];
      place[0] = crc32c(std::as_bytes(batch.images));
      place[1] = about;
      request.source.release(batch);
    }
  }
  communicator.all_reduce_sum(all);
  return Sha256().update(std::as_bytes(std::span(all))).hex().substr(0, 16);
}

}  // namespace convoy
