// Applies one transform with fixed parameters to each image of a stream: the partner of
// compare_transforms.py.
//
// A request is a line "NAME HEIGHT WIDTH CHANNELS PARAMETERS...", then the pixels; the answer is
// the pixels of the result.
#include <iostream>
#include <sstream>
#include <string>

#include "tests/data/named_transforms.h"

int main() {
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string name;
    int height = 0, width = 0, channels = 0;
    words >> name >> height >> width >> channels;
    convoy::test::Numbers numbers;
    for (double number; words >> number;) numbers.push_back(number);
    convoy::Image image;
    image.reshape(height, width, channels);
    const auto bytes = static_cast<std::streamsize>(image.pixels.size());
    std::cin.read(reinterpret_cast<char*>(image.pixels.data()), bytes);
    if (std::cin.gcount() != bytes) return 1;
    convoy::test::apply_by_name(name, numbers, image);
    std::cout.write(reinterpret_cast<const char*>(image.pixels.data()), bytes).flush();
  }
}
