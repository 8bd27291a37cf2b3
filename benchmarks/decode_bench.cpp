// Images in memory to what the first layer reads: decode, random resized crop, flip, normalise. One
// pass over all of them for each line of standard input, so that a script can take turns with other
// programs; each pass answers with one JSON line.
//
//   decode_bench FOLDER [THREADS] [whole] [planes] [bf16] [evaluate] [decode]
//
// whole: decodes all of each image; planes: NCHW instead of NHWC; evaluate: resize 256, centre crop
// 224; decode: nothing but the whole image's pixels.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "data/transform.h"

namespace {

using namespace convoy;

struct Settings {
  int threads = 1;
  bool decode_only = false;
  Pipeline pipeline;
};

using Files = std::vector<std::vector<std::byte>>;

Files read_files(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  Files files;
  for (const auto& path : paths) {
    std::vector<std::byte>& bytes = files.emplace_back(std::filesystem::file_size(path));
    std::ifstream(path, std::ios::binary)
        .read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  return files;
}

// What one thread keeps from pass to pass.
struct Worker {
  ImageDecoder decoder;
  Image image;
  TransformScratch scratch;
  std::vector<float> out;
};

void work(const Settings& settings, const Files& files, int thread, std::uint32_t pass,
          Worker& worker) {
  const Shape shape{3, 224, 224};
  worker.out.resize(shape.elements());
  for (std::size_t i = thread; i < files.size(); i += settings.threads) {
    if (settings.decode_only) {
      worker.decoder.decode(files[i], "", worker.image);
      continue;
    }
    worker.decoder.open(files[i], "");
    apply(settings.pipeline, worker.decoder, {.seed = 1, .epoch = pass, .sample_id = i}, "", shape,
          worker.scratch, std::as_writable_bytes(std::span(worker.out)));
  }
}

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Settings parse(int argc, char** argv) {
  Settings settings;
  settings.pipeline = {
      .transforms = {RandomResizedCrop{}, HorizontalFlip{}},
      .normalize = {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
      .format = {.interleaved = true},
  };
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "whole") {
      settings.pipeline.partial_decode = false;
    } else if (word == "planes") {
      settings.pipeline.format.interleaved = false;
    } else if (word == "bf16") {
      settings.pipeline.format.type = PixelType::bf16;
    } else if (word == "evaluate") {
      settings.pipeline.transforms = {Resize{256}, CenterCrop{224}};
    } else if (word == "decode") {
      settings.decode_only = true;
    } else {
      settings.threads = std::stoi(word);
    }
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  const Files files = read_files(argv[1]);
  std::vector<Worker> workers(settings.threads);
  std::string line;
  for (std::uint32_t pass = 0; std::getline(std::cin, line); ++pass) {
    const auto begin = std::chrono::steady_clock::now();
    const double cpu_begin = cpu_seconds();
    std::vector<std::jthread> threads;
    for (int t = 1; t < settings.threads; ++t) {
      threads.emplace_back([&, t] { work(settings, files, t, pass, workers[t]); });
    }
    work(settings, files, 0, pass, workers[0]);
    threads.clear();
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
    std::printf("{\"images\": %zu, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n", files.size(),
                wall.count(), cpu_seconds() - cpu_begin);
    std::fflush(stdout);
  }
}
