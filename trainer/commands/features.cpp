// convoy features: what a layer makes of images, computed once.
#include "trainer/features.h"

#include <chrono>

#include "ops/core/log.h"
#include "trainer/commands/commands.h"
#include "trainer/commands/trained_words.h"
#include "trainer/together.h"

namespace convoy {
namespace {

using Clock = std::chrono::steady_clock;

void say(const FeatureReport& report, const FeatureRequest& request, double seconds) {
  log_info("{}: {} of {} samples, {} each, {:.1f} MB in {} shards of {}; {:.0f} images/s",
           request.split, report.layer, report.samples, report.shape.text(),
           static_cast<double>(report.bytes) / 1e6, report.shards, request.output.string(),
           static_cast<double>(report.samples) / seconds);
  if (report.found > 0) log_info("{} of the shards were there from a run before", report.found);
}

}  // namespace

ExitCode features_command(const Arguments& arguments, Communicator& communicator) {
  FeatureRequest request;
  TrainedWords trained;
  std::string weights, out;
  Options options("convoy features RUN_FOLDER|CHECKPOINT|CONFIG --out DIR [options]",
                  "Computes what a layer makes of each image of a split, alone or on all ranks of\n"
                  "mpirun or srun, and keeps it as a split of a data set of features: float32, in\n"
                  "shards as of images. `convoy train` on that data set trains the layers behind\n"
                  "it. Started again after a kill, it goes on with the shards that are missing.");
  trained.add_source(options);
  options.add("out DIR", required_option(out), "folder of the data set; splits are added to it")
      .add("weights FILE|FOLDER", boost::program_options::value(&weights),
           "safetensors file, run or checkpoint of the network that CONFIG names")
      .add("layer NAME", boost::program_options::value(&request.layer),
           "as `convoy inspect` calls it (default: what the last layer with parameters reads)")
      .add("data DIR", boost::program_options::value(&request.data),
           "data set of the images (default: the run's)")
      .add("split NAME", option(request.split), "split of both data sets")
      .add("threads N", option(request.threads), "per rank; 0: its share of the cores");
  trained.add_settings(options);
  bool wanted = false;
  together(communicator, [&] { wanted = options.parse(arguments, communicator.rank() != 0); });
  if (!wanted) return ExitCode::done;

  request.trained = trained.request();
  if (!weights.empty()) request.trained.weights = {weights};
  request.output = out;
  communicator.set_deadline(std::chrono::hours(24));  // ranks wait for the slowest one's shards
  const auto start = Clock::now();
  const FeatureReport report = compute_features(request, communicator);
  say(report, request, std::chrono::duration<double>(Clock::now() - start).count());
  return ExitCode::done;
}

}  // namespace convoy
