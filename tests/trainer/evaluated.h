// Evaluation on ranks that are threads, for tests.
#pragma once

#include <fmt/format.h>

#include <string>

#include "tests/support/ranks.h"
#include "trainer/session.h"

namespace convoy::test {

// What the first rank reports.
inline EvaluationReport evaluated(const EvaluationRequest& request, int ranks = 1) {
  EvaluationReport report;
  on_ranks(ranks, [&](Communicator& communicator) {
    const EvaluationReport mine = evaluate(request, communicator);
    if (communicator.rank() == 0) report = mine;
  });
  return report;
}

// "CODE MESSAGE" of the error that it ends with.
inline std::string refusal(const EvaluationRequest& request) {
  try {
    evaluated(request);
  } catch (const Error& error) {
    return fmt::format("{} {}", static_cast<int>(error.code()), error.what());
  }
  return "evaluated";
}

}  // namespace convoy::test
