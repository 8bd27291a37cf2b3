// Ranks as threads, for tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "cluster/communicator.h"
#include "ops/core/check.h"

namespace convoy::test {

// run_local_ranks() with a deadline that suits a test: a wait nobody answers fails within seconds.
inline void on_ranks(int ranks, const std::function<void(Communicator&)>& body,
                     std::chrono::milliseconds deadline = std::chrono::seconds(20)) {
  run_local_ranks(ranks, [&](Communicator& communicator) {
    communicator.set_deadline(deadline);
    body(communicator);
  });
}

// The message of the convoy::Error with `code` that `body` must throw.
template <class Body>
std::string error_of(ExitCode code, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

// `text` holds each of `parts`.
inline void expect_holds(const std::string& text, std::initializer_list<const char*> parts) {
  for (const char* part : parts) {
    EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
  }
}

}  // namespace convoy::test
