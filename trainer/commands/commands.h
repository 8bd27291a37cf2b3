// The commands of the program. Each takes the words after its name and returns the exit code;
// errors are thrown.
#pragma once

#include "cluster/communicator.h"
#include "ops/core/check.h"
#include "trainer/commands/options.h"

namespace convoy {

ExitCode synth_command(const Arguments& arguments, Communicator& communicator);
ExitCode pack_command(const Arguments& arguments, Communicator& communicator);
ExitCode verify_command(const Arguments& arguments, Communicator& communicator);
ExitCode train_command(const Arguments& arguments, Communicator& communicator);
ExitCode evaluate_command(const Arguments& arguments, Communicator& communicator);
ExitCode features_command(const Arguments& arguments, Communicator& communicator);
ExitCode predict_command(const Arguments& arguments, Communicator& communicator);
ExitCode bench_loader_command(const Arguments& arguments, Communicator& communicator);
ExitCode doctor_command(const Arguments& arguments, Communicator& communicator);
ExitCode inspect_command(const Arguments& arguments, Communicator& communicator);

}  // namespace convoy
