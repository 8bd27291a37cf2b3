// Small checkpoints that tell by every byte of which step they are.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "trainer/checkpoint.h"

namespace convoy {

// `floats`: size of the largest tensor.
inline Snapshot snapshot_of(std::uint64_t step, int floats = 24) {
  Snapshot snapshot;
  snapshot.progress = {.step = step,
                       .position = step * 128,
                       .seed = ~std::uint64_t{0} - 1,
                       .lanes = 8,
                       .global_batch = 128,
                       .model = "small",
                       .dataset = "0123abcd",
                       .numerics = "avx2",
                       .config = "seed: 1\nname: \"a b\"\n",
                       .classes = {"cat", "d\xc3\xb6g"},
                       .restarts = 2,
                       .metrics = {{"best_top1", 0.1}, {"loss", 1e-300}}};
  const auto fill = [&](std::span<float> values, float factor) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = factor * static_cast<float>(step * 1000 + i % 997);
    }
  };
  fill(put_floats(snapshot.model, "fc.weight", Shape{floats / 4, 4}), 1);
  fill(put_floats(snapshot.model, "fc.bias", Shape{3}), 2);
  put(snapshot.model, "bn.num_batches_tracked", DType::i64, Shape{})[0] = std::byte(step);
  fill(put_floats(snapshot.state, "momentum/fc.bias", Shape{3}), 3);
  fill(put_floats(snapshot.average, "fc.bias", Shape{3}), 4);
  return snapshot;
}

inline bool equal(const Safetensors& found, const TensorMap& expected) {
  return found.tensors().size() == expected.size() &&
         std::ranges::all_of(expected, [&](const auto& item) {
           const auto& [name, tensor] = item;
           const TensorView* view = found.find(name);
           return view != nullptr && view->dtype == tensor.dtype && view->shape == tensor.shape &&
                  std::ranges::equal(view->bytes, tensor.bytes);
         });
}

inline bool equal(const LoadedCheckpoint& found, const Snapshot& expected) {
  return found.progress == expected.progress && equal(found.model, expected.model) &&
         equal(found.state, expected.state) && found.average.has_value() &&
         equal(*found.average, expected.average);
}

// The step of the newest whole checkpoint, whose every bit must be right. 0: there is none, or it
// is not what snapshot_of() says.
inline std::uint64_t newest_step(const std::filesystem::path& folder, int floats = 24) {
  const auto loaded = load_newest(folder);
  if (!loaded) return 0;
  EXPECT_TRUE(equal(*loaded, snapshot_of(loaded->progress.step, floats)));
  return loaded->progress.step;
}

inline std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace convoy
