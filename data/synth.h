// Synthetic images: figures rendered with varied size, place, colour, rotation, background and
// noise, as JPEG files in class folders; a data set of any size from a seed.
//
// A class is a figure, or a figure with a texture, or (beyond 48 classes) one with a smaller second
// figure beside it: "disc", "striped-star", "dotted-ring-with-cross".
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "data/image.h"

namespace convoy {

struct SynthOptions {
  std::filesystem::path output;  // class folders are made inside
  int images = 1000;             // in all, dealt to the classes in turn
  int classes = 10;              // up to max_synth_classes
  int size = 32;                 // pixels, height and width
  std::uint64_t seed = 0;
  // Number of the first image: another range gives other images of the same kind.
  std::uint64_t first = 0;
  int threads = 1;
};

inline constexpr int max_synth_classes = 48 * 49;

// Of class 0, 1, ...: a folder name.
std::string synth_class_name(int label);

// The picture of one image number, of class number % classes.
Image synth_image(const SynthOptions& options, std::uint64_t number);

// Writes OUTPUT/CLASS/NUMBER.jpg for each. The same options give the same bytes for any number of
// threads. Error(usage) for options out of range, Error(storage) where a file cannot be written or
// is there already.
void synthesise(const SynthOptions& options);

}  // namespace convoy
