// convoy doctor: is this machine, or this allocation of several, fit to train on?
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "cluster/checkup.h"
#include "cluster/environment.h"
#include "data/dataset.h"
#include "data/manifest.h"
#include "ops/core/check.h"
#include "trainer/commands/commands.h"
#include "trainer/config.h"
#include "trainer/setup.h"
#include "trainer/together.h"

namespace convoy {
namespace {

using Json = nlohmann::ordered_json;

constexpr double gibibyte = 1u << 30;

std::string as_json(const Checkup& checkup, const std::vector<Finding>& findings) {
  Json json;
  for (const RankFacts& facts : checkup.ranks) {
    json["ranks"].push_back({{"host", facts.host},
                             {"numerics", facts.numerics},
                             {"cores", facts.cores},
                             {"host_cores", facts.host_cores},
                             {"threads", facts.threads},
                             {"gflops", facts.gflops},
                             {"memory_bandwidth", facts.memory_bandwidth},
                             {"memory", facts.memory},
                             {"shm", facts.shm}});
  }
  json["links"] = Json::array();
  for (const LinkFacts& link : checkup.links) {
    json["links"].push_back({{"from", link.from},
                             {"to", link.to},
                             {"latency", link.latency},
                             {"bandwidth", link.bandwidth}});
  }
  json["sum_seconds"] = checkup.sum_seconds;
  json["findings"] = Json::array();
  for (const Finding& finding : findings) {
    json["findings"].push_back({{"grave", finding.grave}, {"text", finding.text}});
  }
  return json.dump() + "\n";
}

std::string as_text(const Checkup& checkup, const std::vector<Finding>& findings) {
  std::set<std::string> hosts;
  for (const RankFacts& facts : checkup.ranks) hosts.insert(facts.host);
  const LauncherView launcher = launcher_view();
  std::string text =
      fmt::format("{}\nranks {}, hosts {}, started {}\n\n", checkup.ranks.front().numerics,
                  checkup.ranks.size(), hosts.size(),
                  launcher.launcher.empty() ? "directly" : "by " + launcher.launcher);
  text += fmt::format("{:>5} {:<24} {:<12} {:>8} {:>9} {:>8} {:>12}\n", "rank", "host", "cores",
                      "threads", "GFLOP/s", "GB/s", "memory free");
  for (std::size_t rank = 0; rank < checkup.ranks.size(); ++rank) {
    const RankFacts& facts = checkup.ranks[rank];
    text += fmt::format("{:>5} {:<24} {:<12} {:>8} {:>9.1f} {:>8.1f} {:>8.1f} GiB\n", rank,
                        facts.host, text_of_cores(facts.cores), facts.threads, facts.gflops,
                        facts.memory_bandwidth, static_cast<double>(facts.memory) / gibibyte);
  }
  text += "\n";
  for (const LinkFacts& link : checkup.links) {
    text += fmt::format("messages from rank {} to {}: {:.1f} us, {:.2f} GB/s\n", link.from, link.to,
                        1e6 * link.latency, link.bandwidth);
  }
  if (checkup.sum_seconds > 0) {
    text += fmt::format("the sum of 100 MB of gradients over all ranks: {:.0f} ms\n",
                        1e3 * checkup.sum_seconds);
  }
  text += "\n";
  for (const Finding& finding : findings) {
    text += fmt::format("{}: {}\n", finding.grave ? "error" : "warning", finding.text);
  }
  return text + (findings.empty() ? "fit: nothing found\n" : "");
}

// Error unless all ranks see the same data set there.
void check_data(const std::string& folder, Communicator& communicator) {
  std::string seen;
  together(communicator, [&] {
    for (const ManifestSplit& split : read_manifest(folder).splits) {
      seen += Dataset(folder, split.name).fingerprint() + "\n";
    }
  });
  const std::vector<std::string> all = communicator.all_gather_text(seen);
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    require(all[rank] == all[0], ExitCode::data, folder,
            "is another data set for rank {} than for rank 0: expected one that all see", rank);
  }
}

}  // namespace

ExitCode doctor_command(const Arguments& arguments, Communicator& communicator) {
  std::string data;
  double seconds = 0.5;
  bool json = false;
  Options options(
      "convoy doctor [options]",
      "Says what a machine has and can do, or, started by mpirun or srun as a run would\n"
      "be, the machines of an allocation: cores and how ranks are bound to them, memory,\n"
      "arithmetic, messages, sums of gradients. Then what would slow a run down, and\n"
      "what would break it; the exit code is 76 if anything would.");
  options.add("data DIR", boost::program_options::value(&data), "data set that all ranks must see")
      .add("seconds S", option(seconds), "of each of the four measurements")
      .flag("json", json, "print one JSON object instead of text");
  bool wanted = false;
  together(communicator, [&] {
    wanted = options.parse(arguments, communicator.rank() != 0);
    require(seconds > 0 && seconds <= 3600, ExitCode::usage, "convoy doctor",
            "{} seconds, expected more than 0, at most 3600", seconds);
  });
  if (!wanted) return ExitCode::done;

  if (!data.empty()) check_data(data, communicator);
  const Config standard;
  const Checkup checkup =
      check_up(communicator, numerics_of(make_backend(standard)->name(), standard), seconds);
  const std::vector<Finding> findings = findings_of(checkup);
  if (communicator.rank() == 0) {
    std::cout << (json ? as_json(checkup, findings) : as_text(checkup, findings)) << std::flush;
  }
  return !findings.empty() && findings.front().grave ? ExitCode::ranks : ExitCode::done;
}

}  // namespace convoy
