// convoy evaluate: how good a checkpoint is, exactly.
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "ops/core/file.h"
#include "trainer/commands/commands.h"
#include "trainer/commands/trained_words.h"
#include "trainer/session.h"
#include "trainer/together.h"

namespace convoy {
namespace {

using Json = nlohmann::ordered_json;

Json as_json(const EvaluationReport::Member& member) {
  return {{"checkpoint", member.checkpoint.string()}, {"step", member.step}, {"ema", member.ema}};
}

std::string as_json(const EvaluationReport& report) {
  const EvaluationResult& result = report.result;
  Json json;
  if (report.members.size() == 1) {
    json = as_json(report.members.front());
  } else {
    for (const auto& member : report.members) json["members"].push_back(as_json(member));
  }
  if (report.views > 1) json["views"] = report.views;
  json.update({{"split", report.split},
               {"samples", result.samples},
               {"loss", result.loss},
               {"top1", result.top1_share()},
               {"top5", result.top5_share()},
               {"top1_hits", result.top1},
               {"top5_hits", result.top5}});
  return json.dump() + "\n";
}

std::string as_text(const EvaluationReport::Member& member) {
  return member.checkpoint.string() +
         (member.step == 0 ? "" : fmt::format(", step {}", member.step)) +
         (member.ema ? ", average of weights" : "") + "\n";
}

std::string as_text(const EvaluationReport& report) {
  const EvaluationResult& result = report.result;
  std::string text;
  for (const auto& member : report.members) text += as_text(member);
  text += fmt::format("{}: {} samples", report.split, result.samples);
  if (result.averaged > 1) {
    text += fmt::format(", means of {} probabilities: {} views by {} networks", result.averaged,
                        report.views, report.members.size());
  }
  return text + fmt::format("\nloss   {:.6f}\ntop-1  {:.2f}% ({})\ntop-5  {:.2f}% ({})\n\n{}",
                            result.loss, 100 * result.top1_share(), result.top1,
                            100 * result.top5_share(), result.top5,
                            class_table(result, report.class_names));
}

}  // namespace

ExitCode evaluate_command(const Arguments& arguments, Communicator& communicator) {
  EvaluationRequest request;
  TrainedWords trained;
  std::string confusion, predictions;
  bool json = false;
  Options options(
      "convoy evaluate RUN_FOLDER|CHECKPOINT|CONFIG [options]",
      "Evaluates a checkpoint, or a file of weights from anywhere under a configuration\n"
      "that names its model and prepares its images: every sample of the split once,\n"
      "alone or on all ranks of mpirun or srun, with the same figures for any number\n"
      "of them.");
  trained.add_source(options);
  trained.add_networks(options);
  trained.add_settings(options);
  options
      .add("data DIR", boost::program_options::value(&request.data),
           "data set (default: the run's)")
      .add("split NAME", boost::program_options::value(&request.split),
           "split (default: the run's validation split)")
      .add("confusion FILE", boost::program_options::value(&confusion),
           "also write the confusion matrix to this file, as tab-separated text")
      .add("predictions FILE", boost::program_options::value(&predictions),
           "also write the five best classes of each sample and their logits to this file, as "
           "tab-separated text")
      .flag("json", json, "print one JSON object instead of text")
      .add("threads N", option(request.threads), "per rank; 0: its share of the cores");
  bool wanted = false;
  together(communicator, [&] { wanted = options.parse(arguments, communicator.rank() != 0); });
  if (!wanted) return ExitCode::done;

  request.trained = trained.request();
  request.guesses = !predictions.empty();
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
