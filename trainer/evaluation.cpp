#include "trainer/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "trainer/scores.h"

namespace convoy {

std::uint64_t EvaluationResult::samples_of(int label) const {
  std::uint64_t sum = 0;
  for (int c = 0; c < classes; ++c) sum += confusion[std::size_t(label) * classes + c];
  return sum;
}

double EvaluationResult::recall(int label) const {
  return share(confusion[std::size_t(label) * classes + label], samples_of(label));
}

std::string class_table(const EvaluationResult& result, std::span<const std::string> names) {
  std::string table = fmt::format("{:<24} {:>8} {:>8} {:>8}  most often taken for\n", "class",
                                  "samples", "right", "recall");
  for (int label = 0; label < result.classes; ++label) {
    const std::uint64_t* row = &result.confusion[std::size_t(label) * result.classes];
    int confused = label == 0 ? 1 : 0;
    for (int c = 0; c < result.classes; ++c) {
      if (c != label && row[c] > row[confused]) confused = c;
    }
    const bool any = confused < result.classes && row[confused] > 0;
    table += fmt::format("{:<24} {:>8} {:>8} {:>7.2f}%  {}\n", names[label],
                         result.samples_of(label), row[label], 100 * result.recall(label),
                         any ? fmt::format("{} ({})", names[confused], row[confused]) : "-");
  }
  return table;
}

std::string confusion_table(const EvaluationResult& result, std::span<const std::string> names) {
  std::string table = "label \\ predicted";
  for (const std::string& name : names) table += "\t" + name;
  table += "\n";
  for (int label = 0; label < result.classes; ++label) {
    table += names[label];
    for (int c = 0; c < result.classes; ++c) {
      table += fmt::format("\t{}", result.confusion[std::size_t(label) * result.classes + c]);
    }
    table += "\n";
  }
  return table;
}

std::string guess_table(const EvaluationResult& result, std::span<const std::string> samples,
                        std::span<const std::string> names) {
  const int best = std::min(Guesses::best, result.classes);
  std::string table = "sample\tlabel";
  for (int i = 1; i <= best; ++i) table += fmt::format("\tclass {0}\tlogit {0}", i);
  table += "\n";
  for (std::size_t sample = 0; sample < result.guesses.size(); ++sample) {
    const Guesses& guesses = result.guesses[sample];
    table += fmt::format("{}\t{}", samples[sample], names[guesses.label]);
    for (int i = 0; i < best; ++i) {
      table +=
          fmt::format("\t{}\t{:.6g}", names[guesses.classes[i].label], guesses.classes[i].score);
    }
    table += "\n";
  }
  return table;
}

// What one worker counted.
struct Evaluator::Tally {
  explicit Tally(int classes) : confusion(std::size_t(classes) * classes) {}
  std::uint64_t samples = 0;
  std::uint64_t top1 = 0;
  std::uint64_t top5 = 0;
  std::vector<std::uint64_t> confusion;
};

Evaluator::Evaluator(Parts parts)
    : parts_(std::move(parts)),
      rows_(static_cast<int>(parts_.plan.images()[0])),
      classes_(static_cast<int>(parts_.plan.logits()[1])),
      batches_((parts_.dataset.size() + rows_ - 1) / rows_) {
  for (int worker = 0; worker < parts_.pool.workers(); ++worker) {
    executors_.push_back(
        std::make_unique<Executor>(parts_.plan, parts_.parameters, parts_.prepared));
  }
}

EvaluationResult Evaluator::run() {
  const auto ranks = static_cast<std::uint64_t>(parts_.communicator.size());
  const auto rank = static_cast<std::uint64_t>(parts_.communicator.rank());
  const std::uint64_t slots = (batches_ + ranks - 1 - rank) / ranks;  // of this rank
  const auto row = [&](std::uint64_t slot, int r) {
    const std::uint64_t index = (slot * ranks + rank) * rows_ + r;
    return RowKey{index, 0, index < parts_.dataset.size()};
  };
  Loader loader(parts_.dataset, parts_.pipeline,
                {.threads = parts_.loader_threads,
                 .rows = rows_,
                 .ahead = 2 * parts_.pool.workers() + 1,
                 .end_slot = slots},
                row);

  std::vector<double> losses(batches_);  // sums; zero for the batches of other ranks
  std::vector<Tally> tallies(parts_.pool.workers(), Tally(classes_));
  std::vector<Guesses> guesses(parts_.guesses ? batches_ * rows_ : 0);
  parts_.pool.run([&](int worker) { parts_.prepared.refresh(worker, parts_.pool.workers()); });
  std::atomic<std::uint64_t> next{0};
  parts_.pool.run([&](int worker) {
    for (std::uint64_t slot = next++; slot < slots; slot = next++) {
      const Batch batch = loader.acquire(slot);
      const std::uint64_t index = slot * ranks + rank;
      evaluate_batch(*executors_[worker], batch, losses[index], tallies[worker],
                     parts_.guesses ? &guesses[index * rows_] : nullptr);
      loader.release(batch);
    }
  });

  std::vector<double> counts(3 + std::size_t(classes_) * classes_);  // exact below 2^53
  for (const Tally& tally : tallies) {
    counts[0] += static_cast<double>(tally.samples);
    counts[1] += static_cast<double>(tally.top1);
    counts[2] += static_cast<double>(tally.top5);
    for (std::size_t i = 0; i < tally.confusion.size(); ++i) {
      counts[3 + i] += static_cast<double>(tally.confusion[i]);
    }
  }
  parts_.communicator.all_reduce_sum(counts);
  parts_.communicator.all_reduce_sum(losses);
  if (parts_.guesses) gather(guesses);

  const auto count = [&](std::size_t i) { return static_cast<std::uint64_t>(counts[i]); };
  EvaluationResult result{
      .classes = classes_, .samples = count(0), .top1 = count(1), .top5 = count(2)};
  for (std::size_t i = 3; i < counts.size(); ++i) result.confusion.push_back(count(i));
  for (const double loss : losses) result.loss += loss;
  if (result.samples > 0) result.loss /= static_cast<double>(result.samples);
  result.guesses = std::move(guesses);
  return result;
}

// Every rank has those of its own batches; then all ranks have all.
void Evaluator::gather(std::vector<Guesses>& guesses) const {
  guesses.resize(parts_.dataset.size());
  constexpr std::size_t fields = 1 + 2 * Guesses::best;
  std::vector<double> flat;
  flat.reserve(guesses.size() * fields);
  for (const Guesses& sample : guesses) {
    flat.push_back(sample.label);
    for (const Guess& guess : sample.classes) {
      flat.push_back(guess.label);
      flat.push_back(guess.score);
    }
  }
  parts_.communicator.all_reduce_sum(flat);
  for (std::size_t i = 0; i < guesses.size(); ++i) {
    const double* field = &flat[i * fields];
    guesses[i].label = static_cast<std::int32_t>(*field++);
    for (Guess& guess : guesses[i].classes) {
      guess.label = static_cast<int>(*field++);
      guess.score = static_cast<float>(*field++);
    }
  }
}

void Evaluator::note_guesses(std::span<const float> scores, std::int32_t label,
                             Guesses& guesses) const {
  guesses.label = label;
  std::vector<Guess> all;
  for (int c = 0; c < classes_; ++c) all.push_back({c, scores[c]});
  const int best = std::min(Guesses::best, classes_);
  std::ranges::partial_sort(all, all.begin() + best, std::ranges::greater{}, &Guess::score);
  std::copy_n(all.begin(), best, guesses.classes.begin());
}

// `guesses`: of the batch's rows, or null.
void Evaluator::evaluate_batch(Executor& executor, const Batch& batch, double& loss, Tally& tally,
                               Guesses* guesses) const {
  executor.forward({.images = batch.images.data(), .labels = batch.labels.data()});
  const std::span<const float> losses = executor.losses();
  const std::span<const float> logits = executor.logits();
  for (int row = 0; row < rows_; ++row) {
    const std::int32_t label = batch.labels[row];
    if (label < 0) continue;
    const std::span<const float> scores = logits.subspan(std::size_t(row) * classes_, classes_);
    const int rank = rank_of(scores, label);
    loss += losses[row];
    tally.samples += 1;
    tally.top1 += rank == 0;
    tally.top5 += rank < 5;
    tally.confusion[std::size_t(label) * classes_ + best_of(scores)] += 1;
    if (guesses) note_guesses(scores, label, guesses[row]);
  }
}

}  // namespace convoy
