// Evaluation: every sample of a split once, whatever the number of ranks and threads.
//
// The split is cut into fixed batches, the last one partly empty, and batch b goes to rank b mod R.
// Counts are whole numbers, and the loss is summed per batch, then over batches in their order: the
// same bits for any number of ranks and threads.
//
// Several views of a sample (crops, flips) and several networks are averaged as probabilities: each
// network sees each view, the mean of all softmaxes is what counts, and its logarithm takes the
// place of logits. One worker does all of a batch, in one order.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cluster/communicator.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "ops/executor.h"
#include "trainer/worker_pool.h"

namespace convoy {

struct Guess {
  int label = 0;
  float score = 0;  // logit, or logarithm of the mean probability where several were averaged
};

// The classes guessed for one sample, the best first, and its own.
struct Guesses {
  static constexpr int best = 5;
  std::int32_t label = -1;            // -1: the sample was left out
  std::array<Guess, best> classes{};  // of a network with fewer classes, the first so many
};

struct EvaluationResult {
  int classes = 0;
  std::uint64_t samples = 0;  // those with a label
  double loss = 0;            // mean
  std::uint64_t top1 = 0;     // hits
  std::uint64_t top5 = 0;
  std::vector<std::uint64_t> confusion;  // [classes, classes]: how often label -> predicted
  std::vector<Guesses> guesses;          // by sample of the split, if they were asked for
  int averaged = 1;                      // softmaxes per sample

  double top1_share() const { return share(top1, samples); }
  double top5_share() const { return share(top5, samples); }
  std::uint64_t samples_of(int label) const;
  // Of the samples of `label`: predicted right.
  double recall(int label) const;

 private:
  static double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  }
};

// Per class: samples, hits, recall, and what it is most often taken for. One line each.
std::string class_table(const EvaluationResult& result, std::span<const std::string> names);
// The matrix as tab-separated text with a head line; rows are labels.
std::string confusion_table(const EvaluationResult& result, std::span<const std::string> names);

// A head line, then per sample that was not left out its name, its label, and the best classes with
// their scores; tab- separated.
std::string guess_table(const EvaluationResult& result, std::span<const std::string> samples,
                        std::span<const std::string> names);

class Evaluator {
 public:
  struct Member {
    const Plan& plan;  // inference; all members alike in the shape of images and logits
    const Parameters& parameters;
    PreparedWeights& prepared;
  };
  struct Parts {
    Communicator& communicator;
    WorkerPool& pool;
    const Dataset& dataset;
    std::vector<Pipeline> views;
    std::vector<Member> members;
    int loader_threads = 1;
    BadSamples bad_samples = BadSamples::fail;  // or skip
    int most_bad_samples = 100;
    bool guesses = false;
  };
  // The references must outlive the evaluator.
  explicit Evaluator(Parts parts);
  ~Evaluator();

  // With the weights as they are now. Collective.
  EvaluationResult run();

 private:
  struct Worker;
  template <class SlotOf>
  void compute(Worker& worker, Loader& loader, const SlotOf& slot_of) const;
  void count(Worker& worker, double& loss, Guesses* guesses) const;
  void note_guesses(std::span<const float> scores, std::int32_t label, Guesses& guesses) const;
  void gather(std::vector<Guesses>& guesses) const;
  int averaged() const { return static_cast<int>(parts_.views.size() * parts_.members.size()); }

  Parts parts_;
  int rows_;  // of a batch
  int classes_;
  std::uint64_t batches_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace convoy
