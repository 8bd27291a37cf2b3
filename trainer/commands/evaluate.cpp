// convoy evaluate: how good a checkpoint is, exactly.
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "ops/core/file.h"
#include "trainer/commands/commands.h"
#include "trainer/session.h"
#include "trainer/together.h"

namespace convoy {
namespace {

std::string as_json(const EvaluationReport& report) {
  const EvaluationResult& result = report.result;
  return nlohmann::ordered_json{{"checkpoint", report.checkpoint.string()},
                                {"step", report.step},
                                {"ema", report.ema},
                                {"split", report.split},
                                {"samples", result.samples},
                                {"loss", result.loss},
                                {"top1", result.top1_share()},
                                {"top5", result.top5_share()},
                                {"top1_hits", result.top1},
                                {"top5_hits", result.top5}}
             .dump() +
         "\n";
}

std::string as_text(const EvaluationReport& report) {
  const EvaluationResult& result = report.result;
  return fmt::format(
      "{}\n{}{}: {} samples\nloss   {:.6f}\ntop-1  {:.2f}% ({})\n"
      "top-5  {:.2f}% ({})\n\n{}",
      report.checkpoint.string(), report.split,
      (report.step == 0 ? "" : fmt::format(" of step {}", report.step)) +
          (report.ema ? ", average of weights" : ""),
      result.samples, result.loss, 100 * result.top1_share(), result.top1,
      100 * result.top5_share(), result.top5, class_table(result, report.class_names));
}

}  // namespace

ExitCode evaluate_command(const Arguments& arguments, Communicator& communicator) {
  EvaluationRequest request;
  std::string source, weights, confusion, predictions;
  bool json = false;
  bool raw = false;
  Options options(
      "convoy evaluate RUN_FOLDER|CHECKPOINT|CONFIG [options]",
      "Evaluates a checkpoint, or a file of weights from anywhere under a configuration\n"
      "that names its model and prepares its images: every sample of the split once,\n"
      "alone or on all ranks of mpirun or srun, with the same figures for any number\n"
      "of them.");
  options
      .word("RUN_FOLDER|CHECKPOINT|CONFIG", source,
            "a run's newest checkpoint, or one of them; with --weights a configuration")
      .add("weights FILE", boost::program_options::value(&weights), "safetensors file to evaluate")
      .add("set KEY=VALUE", boost::program_options::value(&request.overrides),
           "override a setting of the configuration; may be repeated")
      .add("data DIR", boost::program_options::value(&request.data),
           "data set (default: the run's)")
      .add("split NAME", boost::program_options::value(&request.split),
           "split (default: the run's validation split)")
      .add("confusion FILE", boost::program_options::value(&confusion),
           "also write the confusion matrix to this file, as tab-separated text")
      .add("predictions FILE", boost::program_options::value(&predictions),
           "also write the five best classes of each sample and their logits to this file, as "
           "tab-separated text")
      .flag("no-ema", raw, "the weights themselves, where the run kept their average")
      .flag("json", json, "print one JSON object instead of text")
      .add("threads N", option(request.threads), "per rank; 0: its share of the cores");
  bool wanted = false;
  together(communicator, [&] { wanted = options.parse(arguments, communicator.rank() != 0); });
  if (!wanted) return ExitCode::done;

  request.source = source;
  request.weights = weights;
  request.guesses = !predictions.empty();
  request.ema = !raw;
  const EvaluationReport report = evaluate(request, communicator);
  by_root(communicator, [&] {
    std::cout << (json ? as_json(report) : as_text(report)) << std::flush;
    if (!confusion.empty()) {
      write_file_atomically(confusion, confusion_table(report.result, report.class_names));
    }
    if (!predictions.empty()) {
      write_file_atomically(predictions,
                            guess_table(report.result, report.sample_names, report.class_names));
    }
  });
  return ExitCode::done;
}

}  // namespace convoy
