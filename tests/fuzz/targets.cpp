// The list of all fuzz targets.
#include "tests/fuzz/target.h"

namespace convoy::fuzz {

std::span<const Target> targets() {
  static const Target all[] = {image, stored_image, idx,      tar,         cifar, table,
                               shard, shard_index,  manifest, safetensors, config};
  return all;
}

}  // namespace convoy::fuzz
