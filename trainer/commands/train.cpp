// convoy train: train, or go on training.
#include "ops/core/log.h"
#include "trainer/commands/commands.h"
#include "trainer/session.h"
#include "trainer/signals.h"
#include "trainer/together.h"

namespace convoy {

ExitCode train_command(const Arguments& arguments, Communicator& communicator) {
  std::string file;
  std::vector<std::string> overrides;
  Options options(
      "convoy train CONFIG [--set KEY=VALUE]...",
      "Trains as the configuration says, alone or, under mpirun or srun, on all ranks.\n"
      "Goes on from the newest whole checkpoint of the run folder if there is one: on\n"
      "any number of ranks, with the same result. SIGUSR1 or SIGTERM write a checkpoint\n"
      "and end the run with exit code 75.");
  options.word("CONFIG", file, "YAML file")
      .add("set KEY=VALUE", boost::program_options::value(&overrides),
           "override a setting, as in --set optimizer.lr=0.2; may be repeated");
  bool wanted = false;
  Config config;
  together(communicator, [&] {
    wanted = options.parse(arguments, communicator.rank() != 0);
    if (wanted) config = load_config(file, overrides);
  });
  if (!wanted) return ExitCode::done;

  catch_stop_signals();
  const TrainingOutcome outcome = train(
      config, communicator, {.stop_requested = [](std::uint64_t) { return stop_requested(); }});
  log_info("{} after {} steps; checkpoints, metrics and log are in {}",
           outcome.stopped ? "stopped on request" : "done", outcome.steps, config.run_folder);
  return outcome.stopped ? ExitCode::stopped : ExitCode::done;
}

}  // namespace convoy
