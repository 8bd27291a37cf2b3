#include "ops/liveness.h"

#include <algorithm>
#include <numeric>

#include "ops/core/arena.h"

namespace convoy {

std::size_t place_storages(std::vector<Storage>& storages) {
  std::vector<std::size_t> order(storages.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return storages[a].bytes > storages[b].bytes;
  });

  std::vector<const Storage*> placed;  // by ascending offset
  std::size_t arena = 0;
  for (const std::size_t index : order) {
    Storage& block = storages[index];
    std::size_t offset = 0;
    for (const Storage* other : placed) {
      if (!other->meets(block)) continue;
      if (offset + block.bytes <= other->offset) break;
      offset = std::max(offset, align_up(other->offset + other->bytes));
    }
    block.offset = offset;
    arena = std::max(arena, align_up(offset + block.bytes));
    const auto after =
        std::upper_bound(placed.begin(), placed.end(), &block,
                         [](const Storage* a, const Storage* b) { return a->offset < b->offset; });
    placed.insert(after, &block);
  }
  return arena;
}

}  // namespace convoy
