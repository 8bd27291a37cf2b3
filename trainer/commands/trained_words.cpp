#include "trainer/commands/trained_words.h"

namespace convoy {

using boost::program_options::value;

void TrainedWords::add_source(Options& options) {
  options.word("RUN_FOLDER|CHECKPOINT|CONFIG", source_,
               "a run's newest checkpoint, or one of them; with --weights a configuration");
}

void TrainedWords::add_networks(Options& options) {
  options
      .add("weights FILE|FOLDER", value(&weights_),
           "safetensors file, run or checkpoint; may be repeated: the mean of all probabilities "
           "counts, of the first argument's too where it is no configuration")
      .add("head FILE|FOLDER", value(&head_),
           "of the layers behind features, in the place of those of the weights: a run on "
           "features, one of its checkpoints, or a safetensors file")
      .add("crops KIND", value(&crops_),
           "views of each image whose probabilities are averaged: one, flip, five or ten "
           "(evaluation.crops of the configuration)");
}

void TrainedWords::add_settings(Options& options) {
  options
      .add("set KEY=VALUE", value(&overrides_),
           "override a setting of the configuration; may be repeated")
      .flag("no-ema", raw_, "the weights themselves, where the run kept their average");
}

TrainedRequest TrainedWords::request() const {
  TrainedRequest request{.source = source_,
                         .weights = {weights_.begin(), weights_.end()},
                         .head = head_,
                         .overrides = overrides_,
                         .ema = !raw_};
  if (!crops_.empty()) request.overrides.push_back("evaluation.crops=" + crops_);
  return request;
}

}  // namespace convoy
