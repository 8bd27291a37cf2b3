// Scores: what rows of logits say.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace convoy {

// How many classes come before `label` when the row is sorted by falling logit, equal ones by
// index: 0 is a top-1 hit, below 5 a top-5 hit. Not a number comes before everything, so that it
// never counts as a hit.
inline int rank_of(std::span<const float> logits, std::int32_t label) {
  const float own = logits[label];
  int rank = own == own ? 0 : 1;
  for (int c = 0; c < label; ++c) rank += !(logits[c] < own);
  for (int c = label + 1; c < static_cast<int>(logits.size()); ++c) rank += !(logits[c] <= own);
  return rank;
}

// The class of the largest logit, the first of equal ones.
inline int best_of(std::span<const float> logits) {
  int best = 0;
  for (int c = 1; c < static_cast<int>(logits.size()); ++c) {
    if (logits[c] > logits[best]) best = c;
  }
  return best;
}

// Adds the softmax of each row of `classes` logits.
inline void add_probabilities(std::span<const float> logits, std::size_t classes,
                              std::span<double> sums) {
  for (std::size_t begin = 0; begin < logits.size(); begin += classes) {
    const std::span<const float> row = logits.subspan(begin, classes);
    const double largest = *std::ranges::max_element(row);
    double total = 0;
    for (const float logit : row) total += std::exp(logit - largest);
    for (std::size_t c = 0; c < classes; ++c) {
      sums[begin + c] += std::exp(row[c] - largest) / total;
    }
  }
}

}  // namespace convoy
