// convoy verify: is every byte of a data set as it was packed?
#include <iostream>

#include "cluster/environment.h"
#include "data/pack.h"
#include "ops/core/log.h"
#include "trainer/commands/commands.h"

namespace convoy {

ExitCode verify_command(const Arguments& arguments, Communicator&) {
  std::string folder;
  int threads = usable_cores();
  Options options("convoy verify DIR [options]",
                  "Checks a packed data set: each shard's digest and structure, each image's\n"
                  "checksum and decoding. Prints one line per problem.");
  options.word("DIR", folder, "folder of the data set")
      .add("threads N", option(threads), "threads that read and decode");
  if (!options.parse(arguments)) return ExitCode::done;

  const VerifyReport report = verify(folder, threads);
  for (const std::string& problem : report.problems) std::cout << problem << "\n";
  require(report.problems.empty(), ExitCode::data, folder, "{} problems among {} images",
          report.problems.size(), report.samples);
  log_info("{}: all {} images are as they were packed", folder, report.samples);
  return ExitCode::done;
}

}  // namespace convoy
