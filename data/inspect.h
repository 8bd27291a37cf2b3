// A data set described for people.
#pragma once

#include <filesystem>
#include <string>

namespace convoy {

// Splits, shards, encodings, image sizes, labels and duplicates, in lines of text. Opens every
// shard, so the errors are those of Dataset.
std::string describe_dataset(const std::filesystem::path& folder);

// The same of one shard's file.
std::string describe_shard(const std::filesystem::path& path);

}  // namespace convoy
