// convoy verify: is every byte of a data set as it was packed?
#include "data/verify.h"

#include <algorithm>
#include <iostream>

#include "cluster/environment.h"
#include "ops/core/log.h"
#include "trainer/commands/commands.h"

namespace convoy {
namespace {

std::string text_of(const VerifiedSplit& split) {
  const auto& counts = split.label_histogram;
  std::string text = fmt::format("{}: {} images", split.name, split.samples);
  if (split.unlabelled > 0) text += fmt::format(", {} without a label", split.unlabelled);
  if (split.unlabelled == split.samples) return text;
  const auto [fewest, most] = std::ranges::minmax(counts);
  return text + fmt::format(", {} to {} of each of {} classes", fewest, most, counts.size());
}

}  // namespace

ExitCode verify_command(const Arguments& arguments, Communicator&) {
  std::string folder;
  int threads = usable_cores();
  Options options("convoy verify DIR [options]",
                  "Checks a packed data set: each shard's digest and structure, each image's\n"
                  "checksum and decoding. Prints one line per problem. Says how many images\n"
                  "have which labels, and which are copies of others.");
  options.word("DIR", folder, "folder of the data set")
      .add("threads N", option(threads), "threads that read and decode");
  if (!options.parse(arguments)) return ExitCode::done;

  const VerifyReport report = verify(folder, threads);
  for (const std::string& problem : report.problems) std::cout << problem << "\n";
  require(report.problems.empty(), ExitCode::data, folder, "{} problems among {} images",
          report.problems.size(), report.samples);
  for (const VerifiedSplit& split : report.splits) log_info("{}", text_of(split));
  for (const std::string& example : report.duplicates.examples) log_warning("{}", example);
  log_info("duplicates: {}", report.duplicates.text());
  log_info("{}: all {} images are as they were packed", folder, report.samples);
  return ExitCode::done;
}

}  // namespace convoy
