// The kinds of sources; open_source() chooses among them.
#pragma once

#include <memory>

#include "data/sources.h"
#include "data/sources/files.h"

namespace convoy {

// Files with the labels that their folders, a table, or nothing gives them. `where` is the source,
// for errors.
std::unique_ptr<Source> labelled_files(std::unique_ptr<Files> files, const SourceOptions& options);

// The table at options.path.
std::unique_ptr<Source> listed_files(const SourceOptions& options);

// IDX at options.path.
std::unique_ptr<Source> idx_images(const SourceOptions& options);

// Null if these are no files of CIFAR.
std::unique_ptr<Source> cifar_images(const Files& files, const SourceOptions& options);

}  // namespace convoy
