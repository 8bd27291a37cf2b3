// Mixing: each sample of a batch with the one before it, in images and in labels.
//
// mixup blends two whole images: Zhang et al., "mixup: beyond empirical risk minimization" (2018).
// CutMix pastes a box of one into the other: Yun et al., "CutMix: regularization strategy to train
// strong classifiers with localizable features" (2019). As torchvision has them: one draw for a
// whole batch, partners by rolling the batch by one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "data/geometry.h"
#include "ops/core/shape.h"

namespace convoy {

struct MixSettings {
  double mixup = 0;           // both parameters of the Beta distribution of the share; 0: no mixup
  double cutmix = 0;          // likewise
  double probability = 1;     // of a batch to be mixed at all
  double cutmix_share = 0.5;  // of the mixed batches, where both are on

  bool on() const { return mixup > 0 || cutmix > 0; }
};

// What happens to each sample of one batch.
struct Mix {
  double share = 1;         // of a sample in its target; the rest is its partner's
  std::optional<Rect> box;  // CutMix: the pixels that come from the partner; none: a blend

  bool on() const { return share < 1; }
};

// Of batch number `step`, whose images have `height` x `width` pixels. A pure function.
Mix draw_mix(const MixSettings& settings, std::uint64_t seed, std::uint64_t step, int height,
             int width);

// Samples as the loader keeps them.
struct MixRows {
  Shape image;                     // [C, H, W]
  std::span<float> images;         // [rows + 1, C, H, W]; the last one is the first one's partner
  std::span<std::int32_t> labels;  // [rows + 1]; -1 where there is no sample
  std::span<float> soft_labels;    // [rows, classes]
};

// Mixes row r with row r - 1, in place, and writes the targets. A label becomes the one with the
// larger share. A row without a sample stays empty; one without a partner stays itself.
void mix_rows(const Mix& mix, const MixRows& rows);

}  // namespace convoy
