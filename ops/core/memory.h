// How much memory this process can still have.
#pragma once

#include <cstddef>
#include <filesystem>

namespace convoy {

// Bytes that can be had without swapping: the host's MemAvailable, or less where a control group
// (a container, a Slurm job) allows less. `root`: where /proc and /sys are found, for tests.
std::size_t available_memory(const std::filesystem::path& root = "/");

}  // namespace convoy
