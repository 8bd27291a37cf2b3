// Synthetic images: shapes rendered with varied size, place, colour, rotation, background and
// noise, as JPEG files in class folders; a data set of any size from a seed.
#pragma once

#include <cstdint>
#include <filesystem>

namespace convoy {

struct SynthOptions {
  std::filesystem::path output;  // class folders are made inside
  int images = 1000;             // in all, dealt to the classes in turn
  int classes = 10;
  int size = 32;  // pixels, height and width
  std::uint64_t seed = 0;
  std::uint64_t first =
      0;  // number of the first image: another range gives other images of the same kind
  int threads = 1;
};

// The same options give the same bytes for any number of threads.
void synthesise(const SynthOptions& options);

}  // namespace convoy
