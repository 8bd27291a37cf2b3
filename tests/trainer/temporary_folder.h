// A folder of its own for each test, gone at the end.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace convoy {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = "/dev/shm/convoy-test-XXXXXX";  // in memory: the tests write much
    if (::mkdtemp(name.data()) == nullptr) {
      name = std::filesystem::temp_directory_path() / "convoy-test-XXXXXX";
      EXPECT_NE(::mkdtemp(name.data()), nullptr);
    }
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace convoy
