// convoy predict: what is on these images?
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "cluster/environment.h"
#include "trainer/commands/commands.h"
#include "trainer/prediction.h"

namespace convoy {
namespace {

using Json = nlohmann::ordered_json;

std::string as_json(const Prediction& prediction) {
  Json classes;
  for (const Prediction::Class& guess : prediction.classes) {
    classes.push_back(
        {{"class", guess.name}, {"number", guess.number}, {"probability", guess.probability}});
  }
  return Json{{"image", prediction.image}, {"classes", classes}}.dump() + "\n";
}

std::string as_text(const Prediction& prediction) {
  std::string text = prediction.image + "\n";
  for (const Prediction::Class& guess : prediction.classes) {
    text += fmt::format("  {:6.2f}%  {}\n", 100 * guess.probability, guess.name);
  }
  return text;
}

}  // namespace

ExitCode predict_command(const Arguments& arguments, Communicator&) {
  PredictionRequest request;
  request.threads = usable_cores();
  std::string source, head, crops;
  std::vector<std::string> weights;
  bool json = false, raw = false;
  Options options(
      "convoy predict RUN_FOLDER|CHECKPOINT|CONFIG IMAGE... [options]",
      "Names the likeliest classes of JPEG and PNG files and their probabilities, by a\n"
      "checkpoint, or by a file of weights from anywhere under a configuration that\n"
      "names its model and prepares its images.");
  options
      .word("RUN_FOLDER|CHECKPOINT|CONFIG", source,
            "a run's newest checkpoint, or one of them; with --weights a configuration")
      .words("IMAGE...", request.images, "files, and folders of them")
      .add("top N", option(request.best), "classes of each image")
      .add("weights FILE|FOLDER", boost::program_options::value(&weights),
           "safetensors file, run or checkpoint; may be repeated: the mean of all probabilities "
           "counts, of the first argument's too where it is no configuration")
      .add(
          "head FILE|FOLDER", boost::program_options::value(&head),
          "of the layers behind features, in the place of those of the weights: a run on features, "
          "one of its checkpoints, or a safetensors file")
      .add("crops KIND", boost::program_options::value(&crops),
           "views of each image whose probabilities are averaged: one, flip, five or ten "
           "(evaluation.crops of the configuration)")
      .add("set KEY=VALUE", boost::program_options::value(&request.trained.overrides),
           "override a setting of the configuration; may be repeated")
      .add("data DIR", boost::program_options::value(&request.data),
           "data set that names the classes (default: as in training, or their numbers)")
      .flag("no-ema", raw, "the weights themselves, where the run kept their average")
      .flag("json", json, "print one JSON object per image instead of text")
      .add("threads N", option(request.threads), "threads that compute");
  if (!options.parse(arguments)) return ExitCode::done;

  request.trained.source = source;
  request.trained.weights.assign(weights.begin(), weights.end());
  request.trained.head = head;
  if (!crops.empty()) request.trained.overrides.push_back("evaluation.crops=" + crops);
  request.trained.ema = !raw;
  for (const Prediction& prediction : predict(request)) {
    std::cout << (json ? as_json(prediction) : as_text(prediction));
  }
  return ExitCode::done;
}

}  // namespace convoy
