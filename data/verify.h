// Verification: reads a data set as suspiciously as it can be read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/duplicates.h"

namespace convoy {

struct VerifiedSplit {
  std::string name;
  std::uint64_t samples = 0;
  std::uint64_t unlabelled = 0;
  std::vector<std::uint64_t> label_histogram;  // per class
};

struct VerifyReport {
  std::uint64_t samples = 0;
  std::vector<std::string> problems;  // one line each
  std::vector<VerifiedSplit> splits;
  Duplicates duplicates;  // no problem in themselves
};

// Every shard's SHA-256, structure and index, every image's checksum and decoding, the manifest's
// label histograms. Error(data) where there is no manifest to be read.
VerifyReport verify(const std::filesystem::path& folder, int threads);

}  // namespace convoy
