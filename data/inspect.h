// A data set described for people.
#pragma once

#include <filesystem>
#include <string>

namespace convoy {

// Splits, shards, encodings, image sizes and labels, in lines of text. Opens every shard, so the
// errors are those of Dataset.
std::string describe_dataset(const std::filesystem::path& folder);

}  // namespace convoy
