// convoy predict: what is on these images?
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "cluster/environment.h"
#include "trainer/commands/commands.h"
#include "trainer/commands/trained_words.h"
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
  TrainedWords trained;
  bool json = false;
  Options options(
      "convoy predict RUN_FOLDER|CHECKPOINT|CONFIG IMAGE... [options]",
      "Names the likeliest classes of JPEG and PNG files and their probabilities, by a\n"
      "checkpoint, or by a file of weights from anywhere under a configuration that\n"
      "names its model and prepares its images.");
  trained.add_source(options);
  options.words("IMAGE...", request.images, "files, and folders of them")
      .add("top N", option(request.best), "classes of each image");
  trained.add_networks(options);
  trained.add_settings(options);
  options
      .add("data DIR", boost::program_options::value(&request.data),
           "data set that names the classes (default: as in training, or their numbers)")
      .flag("json", json, "print one JSON object per image instead of text")
      .add("threads N", option(request.threads), "threads that compute");
  if (!options.parse(arguments)) return ExitCode::done;

  request.trained = trained.request();
  for (const Prediction& prediction : predict(request)) {
    std::cout << (json ? as_json(prediction) : as_text(prediction));
  }
  return ExitCode::done;
}

}  // namespace convoy
