// One way for a job to go wrong, by name; the exit code and the message are the test's to judge.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>

#include "cluster/communicator.h"
#include "ops/core/check.h"

namespace convoy {
namespace {

using std::chrono::seconds;

// Rank 1 hangs; the others name it.
void hang(Communicator& communicator) {
  communicator.set_deadline(seconds(1));
  communicator.set_activity("wait for gradients", 5);
  if (communicator.rank() == 1) {
    communicator.set_activity("read shard", 5);
    std::this_thread::sleep_for(seconds(60));
  }
  communicator.barrier();
}

void fail_on_one(Communicator& communicator) {
  if (communicator.rank() == 1) fail(ExitCode::data, "shard-3", "cut short");
  communicator.barrier();
}

void disagree_about_size(Communicator& communicator) {
  std::array<std::byte, 8> bytes{};
  const Outgoing out{0, std::span(bytes).first(4)};
  const Incoming in{1, bytes};
  if (communicator.rank() == 0) communicator.exchange({}, {&in, 1});
  if (communicator.rank() == 1) communicator.exchange({&out, 1}, {});
  communicator.barrier();
}

void leave_early(Communicator& communicator) {
  if (communicator.rank() == 1) ::_exit(0);
  communicator.barrier();
}

void run(const std::string& name) {
  const std::map<std::string, void (*)(Communicator&)> ways{
      {"hang", hang},
      {"fail", fail_on_one},
      {"fail-unwinding", fail_on_one},
      {"size", disagree_about_size},
      {"leave", leave_early},
  };
  MpiSession session;
  const auto communicator = session.world();
  try {
    ways.at(name)(*communicator);
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    // Some programs leave by their destructors instead, which must not wait for the other ranks.
    if (name == "fail-unwinding") throw;
    communicator->abort(static_cast<int>(error.code()));
  }
}

}  // namespace
}  // namespace convoy

int main(int argc, char** argv) {
  try {
    convoy::run(argc > 1 ? argv[1] : "");
  } catch (const convoy::Error& error) {
    return static_cast<int>(error.code());
  }
}
