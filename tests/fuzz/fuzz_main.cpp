// One libFuzzer program for all targets:
//
//   convoy_fuzz --target=NAME [libFuzzer's options] CORPUS
//   convoy_fuzz --list
//   convoy_fuzz --target=NAME --seeds=FOLDER     writes what to begin with
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "tests/fuzz/target.h"

namespace {

const convoy::fuzz::Target* chosen = nullptr;

const convoy::fuzz::Target* find(std::string_view name) {
  for (const auto& target : convoy::fuzz::targets()) {
    if (target.name == name) return &target;
  }
  std::cerr << "no target '" << name << "'\n";
  std::exit(64);
}

void write_seeds(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const std::string& seed : chosen->seeds()) {
    std::ofstream(folder / ("seed-" + std::to_string(number++)), std::ios::binary) << seed;
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* count, char*** words) {
  for (int i = 1; i < *count; ++i) {
    const std::string_view word = (*words)[i];
    if (word.starts_with("--target=")) chosen = find(word.substr(9));
    if (word == "--list") {
      for (const auto& target : convoy::fuzz::targets()) std::cout << target.name << "\n";
      std::exit(0);
    }
    if (word.starts_with("--seeds=") && chosen != nullptr) {
      write_seeds(word.substr(8));
      std::exit(0);
    }
  }
  if (chosen == nullptr) find("");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  chosen->run({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
