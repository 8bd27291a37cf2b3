// convoy: the program. A table of commands, one catch, one exit code.
#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/communicator.h"
#include "cluster/environment.h"
#include "ops/core/check.h"
#include "ops/core/log.h"
#include "trainer/commands/commands.h"
#include "trainer/nearest.h"
#include "trainer/together.h"

namespace convoy {
namespace {

struct Command {
  std::string_view name;
  std::string_view summary;
  bool distributed;  // runs on all ranks of mpirun or srun
  ExitCode (*run)(const Arguments&, Communicator&);
};

constexpr Command commands[] = {
    {"synth", "draw a labelled data set of simple shapes", false, synth_command},
    {"pack", "pack image files into shards", true, pack_command},
    {"verify", "check every image of a packed data set", false, verify_command},
    {"train", "train, or go on training", true, train_command},
    {"evaluate", "evaluate a checkpoint, exactly", true, evaluate_command},
    {"features", "compute what a layer makes of images, once", true, features_command},
    {"predict", "name the likeliest classes of image files", false, predict_command},
    {"bench-loader", "measure how fast training images come", true, bench_loader_command},
    {"doctor", "check whether a machine or an allocation is fit", true, doctor_command},
    {"inspect", "show a configuration, data set, run or checkpoint", false, inspect_command},
};

std::string help() {
  std::string text =
      "usage: convoy COMMAND [options]\n\n"
      "Trains convolutional networks on image data sets, on one machine or many.\n\n";
  for (const Command& command : commands) {
    text += fmt::format("  {:<14}{}\n", command.name, command.summary);
  }
  return text +
         "\n`convoy COMMAND --help` says more. Under mpirun or srun, pack, train, evaluate, "
         "features, bench-loader and doctor run on all ranks.\n";
}

const Command& find_command(const std::string& name) {
  std::vector<std::string> names;
  for (const Command& command : commands) {
    if (command.name == name) return command;
    names.emplace_back(command.name);
  }
  fail(ExitCode::usage, "convoy", "there is no command '{}'; {}", name, nearest_of(name, names));
}

void say(std::string_view error) {
  fmt::print(stderr, "{}{}\n", error.starts_with("convoy") ? "" : "convoy: ", error);
}

// Ends alike with the other ranks, or ends them too.
int run(const Command& command, const Arguments& arguments, Communicator& communicator) {
  const int rank = communicator.rank();
  set_log_rank(rank, communicator.size());
  ExitCode code = ExitCode::internal;
  std::string message;
  try {
    return static_cast<int>(command.run(arguments, communicator));
  } catch (const SharedError& error) {
    if (rank == 0) say(error.what());
    return static_cast<int>(error.code());
  } catch (const Error& error) {
    code = error.code();
    message = error.what();
  } catch (const std::exception& error) {
    message = fmt::format("unexpected: {}", error.what());
  }
  if (communicator.size() == 1) {
    say(message);
  } else {
    say(code == ExitCode::ranks
            ? message
            : fmt::format("rank {} on {}: {}", rank, communicator.host(), message));
    communicator.abort(static_cast<int>(code));
  }
  return static_cast<int>(code);
}

int launch(const Command& command, const Arguments& arguments) {
  const LauncherView launcher = launcher_view();
  const int ranks = launcher.ranks.value_or(1);
  if (command.distributed && !launcher.launcher.empty()) {
    MpiSession mpi;
    const auto world = mpi.world();
    check_world_size(launcher, world->size());
    return run(command, arguments, *world);
  }
  require(ranks == 1, ExitCode::usage, fmt::format("convoy {}", command.name),
          "runs alone, but was started as {} ranks", ranks);
  return run(command, arguments, *make_single_communicator());
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  using namespace convoy;
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    fmt::print(words.empty() ? stderr : stdout, "{}", help());
    return static_cast<int>(words.empty() ? ExitCode::usage : ExitCode::done);
  }
  if (words[0] == "--version") {
    fmt::print("convoy " CONVOY_VERSION "\n");
    return 0;
  }
  try {
    return launch(find_command(words[0]), {words.begin() + 1, words.end()});
  } catch (const Error& error) {
    say(error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    say(error.what());
    return static_cast<int>(ExitCode::internal);
  }
}
