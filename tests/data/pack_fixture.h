// Packing class folders into a set, for tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "data/pack.h"
#include "tests/data/files.h"
#include "tests/trainer/temporary_folder.h"

namespace convoy::test {

class Pack : public testing::Test {
 protected:
  PackReport pack_folders(PackOptions options = {}) const {
    options.output = output;
    return pack({.path = folders, .class_names = class_names}, options);
  }
  std::string error(PackOptions options = {}, ExitCode code = ExitCode::data) const {
    return error_of(code, [&] { pack_folders(options); });
  }

  TemporaryFolder folder;
  std::filesystem::path folders = folder.path() / "images";
  std::filesystem::path output = folder.path() / "set";
  std::vector<std::string> class_names;
};

}  // namespace convoy::test
