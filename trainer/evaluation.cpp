#include "trainer/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
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
  const std::string_view score = result.averaged > 1 ? "log probability" : "logit";
  for (int i = 1; i <= best; ++i) table += fmt::format("\tclass {0}\t{1} {0}", i, score);
  table += "\n";
  for (std::size_t sample = 0; sample < result.guesses.size(); ++sample) {
    const Guesses& guesses = result.guesses[sample];
    if (guesses.label < 0) continue;
    table += fmt::format("{}\t{}", samples[sample], names[guesses.label]);
    for (int i = 0; i < best; ++i) {
      table +=
          fmt::format("\t{}\t{:.6g}", names[guesses.classes[i].label], guesses.classes[i].score);
    }
    table += "\n";
  }
  return table;
}

namespace {

// In which order a rank asks its loader for the views of its batches: in groups of as many batches
// as there are workers, so that all are busy while few slots are held.
class ViewSlots {
 public:
  ViewSlots(std::uint64_t batches, std::uint64_t workers, std::uint64_t views)
      : batches_(batches), workers_(workers), views_(views) {}

  std::uint64_t count() const { return batches_ * views_; }
  std::uint64_t slot(std::uint64_t batch, std::uint64_t view) const {
    const std::uint64_t first = batch / workers_ * workers_;
    return first * views_ + view * group(first) + (batch - first);
  }
  std::uint64_t batch(std::uint64_t slot) const {
    const std::uint64_t first = first_of(slot);
    return first + (slot - first * views_) % group(first);
  }
  std::uint64_t view(std::uint64_t slot) const {
    const std::uint64_t first = first_of(slot);
    return (slot - first * views_) / group(first);
  }

 private:
  std::uint64_t first_of(std::uint64_t slot) const { return slot / (workers_ * views_) * workers_; }
  std::uint64_t group(std::uint64_t first) const { return std::min(workers_, batches_ - first); }

  std::uint64_t batches_, workers_, views_;
};

}  // namespace

// What one worker computes with, and what it counted.
struct Evaluator::Worker {
  Worker(const Parts& parts, int rows, int classes, bool averages)
      : confusion(std::size_t(classes) * classes), labels(rows) {
    for (const Member& member : parts.members) {
      executors.push_back(
          std::make_unique<Executor>(member.plan, member.parameters, member.prepared));
    }
    if (!averages) return;
    sums.resize(std::size_t(rows) * classes);
    scores.resize(sums.size());
    losses.resize(rows);
  }
  void begin() {
    samples = top1 = top5 = 0;
    std::ranges::fill(confusion, 0u);
  }
  void average(int count);

  std::vector<std::unique_ptr<Executor>> executors;  // by member
  std::uint64_t samples = 0, top1 = 0, top5 = 0;
  std::vector<std::uint64_t> confusion;
  std::vector<std::int32_t> labels;  // of the batch; -1 where a view is missing
  // Where several softmaxes are averaged:
  std::vector<double> sums;   // [rows, classes]
  std::vector<float> scores;  // [rows, classes] logarithms of the means
  std::vector<float> losses;  // [rows]
};

// Scores and losses from the sums of `count` softmaxes.
void Evaluator::Worker::average(int count) {
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const double mean = std::max(sums[i] / count, std::numeric_limits<double>::min());
    scores[i] = static_cast<float>(std::log(mean));
  }
  const std::size_t classes = scores.size() / labels.size();
  for (std::size_t row = 0; row < labels.size(); ++row) {
    losses[row] = labels[row] < 0 ? 0 : -scores[row * classes + labels[row]];
  }
}

Evaluator::Evaluator(Parts parts)
    : parts_(std::move(parts)),
      rows_(static_cast<int>(parts_.members.at(0).plan.images()[0])),
      classes_(static_cast<int>(parts_.members.at(0).plan.logits()[1])),
      batches_((parts_.dataset.size() + rows_ - 1) / rows_) {
  for (int worker = 0; worker < parts_.pool.workers(); ++worker) {
    workers_.push_back(std::make_unique<Worker>(parts_, rows_, classes_, averaged() > 1));
  }
}

Evaluator::~Evaluator() = default;

EvaluationResult Evaluator::run() {
  const auto ranks = static_cast<std::uint64_t>(parts_.communicator.size());
  const auto rank = static_cast<std::uint64_t>(parts_.communicator.rank());
  const std::uint64_t batches = (batches_ + ranks - 1 - rank) / ranks;  // of this rank
  const auto workers = static_cast<std::uint64_t>(parts_.pool.workers());
  const ViewSlots slots(batches, workers, parts_.views.size());
  const auto row = [&](std::uint64_t slot, int r) {
    const std::uint64_t index = (slots.batch(slot) * ranks + rank) * rows_ + r;
    return RowKey{index, 0, index < parts_.dataset.size(), static_cast<int>(slots.view(slot))};
  };
  Loader loader(parts_.dataset, parts_.views,
                {.threads = parts_.loader_threads,
                 .rows = rows_,
                 .ahead = 2 * parts_.pool.workers() + 1,
                 .end_slot = slots.count(),
                 .bad_samples = parts_.bad_samples,
                 .most_bad_samples = parts_.most_bad_samples},
                row);

  std::vector<double> losses(batches_);  // sums; zero for the batches of other ranks
  std::vector<Guesses> guesses(parts_.guesses ? batches_ * rows_ : 0);
  for (const Member& member : parts_.members) {
    parts_.pool.run([&](int worker) { member.prepared.refresh(worker, parts_.pool.workers()); });
  }
  parts_.pool.run([&](int number) {
    Worker& worker = *workers_[number];
    worker.begin();
    for (std::uint64_t batch = number; batch < batches; batch += workers) {
      compute(worker, loader, [&](std::uint64_t view) { return slots.slot(batch, view); });
      const std::uint64_t index = batch * ranks + rank;
      count(worker, losses[index], parts_.guesses ? &guesses[index * rows_] : nullptr);
    }
  });

  std::vector<double> counts(3 + std::size_t(classes_) * classes_);  // exact below 2^53
  for (const auto& worker : workers_) {
    counts[0] += static_cast<double>(worker->samples);
    counts[1] += static_cast<double>(worker->top1);
    counts[2] += static_cast<double>(worker->top5);
    for (std::size_t i = 0; i < worker->confusion.size(); ++i) {
      counts[3 + i] += static_cast<double>(worker->confusion[i]);
    }
  }
  parts_.communicator.all_reduce_sum(counts);
  parts_.communicator.all_reduce_sum(losses);
  if (parts_.guesses) gather(guesses);

  const auto whole = [&](std::size_t i) { return static_cast<std::uint64_t>(counts[i]); };
  EvaluationResult result{
      .classes = classes_, .samples = whole(0), .top1 = whole(1), .top5 = whole(2)};
  for (std::size_t i = 3; i < counts.size(); ++i) result.confusion.push_back(whole(i));
  for (const double loss : losses) result.loss += loss;
  if (result.samples > 0) result.loss /= static_cast<double>(result.samples);
  result.guesses = std::move(guesses);
  result.averaged = averaged();
  return result;
}

// Every rank has those of its own batches; then all ranks have all. Labels travel one higher, so
// that what nobody has adds up to none.
void Evaluator::gather(std::vector<Guesses>& guesses) const {
  guesses.resize(parts_.dataset.size());
  constexpr std::size_t fields = 1 + 2 * Guesses::best;
  std::vector<double> flat;
  flat.reserve(guesses.size() * fields);
  for (const Guesses& sample : guesses) {
    flat.push_back(sample.label + 1);
    for (const Guess& guess : sample.classes) {
      flat.push_back(guess.label);
      flat.push_back(guess.score);
    }
  }
  parts_.communicator.all_reduce_sum(flat);
  for (std::size_t i = 0; i < guesses.size(); ++i) {
    const double* field = &flat[i * fields];
    guesses[i].label = static_cast<std::int32_t>(*field++) - 1;
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

// Scores of all members for all views of a batch; slot_of(view) is where a view comes from.
template <class SlotOf>
void Evaluator::compute(Worker& worker, Loader& loader, const SlotOf& slot_of) const {
  std::ranges::fill(worker.sums, 0.0);
  for (std::size_t view = 0; view < parts_.views.size(); ++view) {
    const Batch batch = loader.acquire(slot_of(view));
    for (int row = 0; row < rows_; ++row) {
      if (view == 0 || batch.labels[row] < 0) worker.labels[row] = batch.labels[row];
    }
    for (const auto& executor : worker.executors) {
      executor->forward({.images = batch.images.data(), .labels = batch.labels.data()});
      if (averaged() > 1) add_probabilities(executor->logits(), classes_, worker.sums);
    }
    loader.release(batch);
  }
  if (averaged() > 1) worker.average(averaged());
}

// Counts the batch that was computed last. `guesses`: of its rows, or null.
void Evaluator::count(Worker& worker, double& loss, Guesses* guesses) const {
  const Executor& alone = *worker.executors.front();
  const std::span<const float> all = averaged() > 1 ? worker.scores : alone.logits();
  const std::span<const float> losses = averaged() > 1 ? worker.losses : alone.losses();
  for (int row = 0; row < rows_; ++row) {
    const std::int32_t label = worker.labels[row];
    if (label < 0) continue;
    const std::span<const float> scores = all.subspan(std::size_t(row) * classes_, classes_);
    const int rank = rank_of(scores, label);
    loss += losses[row];
    worker.samples += 1;
    worker.top1 += rank == 0;
    worker.top5 += rank < 5;
    worker.confusion[std::size_t(label) * classes_ + best_of(scores)] += 1;
    if (guesses) note_guesses(scores, label, guesses[row]);
  }
}

}  // namespace convoy
