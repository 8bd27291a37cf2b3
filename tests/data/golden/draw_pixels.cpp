// Draws parts of images for compare_pixels.py. Commands on standard input, answers on standard
// output:
//
//   open PATH                             "HEIGHT WIDTH\n"
//   crop TOP LEFT HEIGHT WIDTH SIZE FLIP  [SIZE, SIZE, 3] bytes, then as many normalised floats
//   evaluate RESIZE CROP                  resize of the shorter side, centre crop; likewise
//   part TOP LEFT HEIGHT WIDTH            "N\n": bytes of the part that differ from the whole's
//   params HEIGHT WIDTH COUNT             COUNT x 4 int32: top, left, height, width of random crops
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "data/transform.h"
#include "ops/core/file.h"

namespace {

using namespace convoy;

constexpr Normalize imagenet{{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};

class Drawer {
 public:
  void run(std::istream& command) {
    std::string name;
    command >> name;
    if (name == "open") {
      std::string path;
      std::getline(command >> std::ws, path);
      open(path);
    } else if (name == "crop") {
      Rect part;
      int size = 0, flip = 0;
      command >> part.top >> part.left >> part.height >> part.width >> size >> flip;
      draw(size, [&](Canvas& canvas) {
        canvas.crop(part.top, part.left, part.height, part.width);
        canvas.resize(size, size);
        if (flip != 0) canvas.flip();
      });
    } else if (name == "evaluate") {
      int resize = 0, crop = 0;
      command >> resize >> crop;
      draw(crop, [&](Canvas& canvas) {
        const Size size = size_after(Resize{resize}, {canvas.height(), canvas.width()});
        canvas.resize(static_cast<int>(size.height), static_cast<int>(size.width));
        canvas.crop(centre_offset(canvas.height(), crop), centre_offset(canvas.width(), crop), crop,
                    crop);
      });
    } else if (name == "part") {
      Rect part;
      command >> part.top >> part.left >> part.height >> part.width;
      compare(part);
    } else if (name == "params") {
      int height = 0, width = 0, count = 0;
      command >> height >> width >> count;
      draw_parameters(height, width, count);
    }
    std::fflush(stdout);
  }

 private:
  void open(const std::string& path) {
    file_ = read_file(path);
    bytes_ = std::as_bytes(std::span(file_));
    decoder_.decode(bytes_, path, whole_);
    std::printf("%d %d\n", whole_.height, whole_.width);
  }

  template <class Steps>
  void draw(int size, const Steps& steps) {
    for (const PixelFormat format : {PixelFormat{PixelType::u8, true}, {PixelType::f32, true}}) {
      decoder_.open(bytes_, "");
      Canvas canvas(decoder_, 3, /*whole=*/false, scratch_);
      steps(canvas);
      out_.resize(std::size_t(size) * size * 3 * size_of(format.type));
      canvas.write(imagenet, format, out_);
      std::fwrite(out_.data(), 1, out_.size(), stdout);
    }
  }

  void compare(const Rect& part) {
    decoder_.open(bytes_, "");
    const PixelView view = decoder_.read(part);
    const PixelView expected = part_of(view_of(whole_), part);
    int differing = 0;
    for (int y = 0; y < part.height; ++y) {
      for (int i = 0; i < part.width * view.channels; ++i) {
        differing += view.at(y, 0)[i] != expected.at(y, 0)[i];
      }
    }
    std::printf("%d\n", differing);
  }

  void draw_parameters(int height, int width, int count) {
    for (int i = 0; i < count; ++i) {
      Random draws(1, RandomUse::crop, static_cast<std::uint64_t>(i));
      const Rect part = random_part({}, height, width, draws);
      const std::int32_t values[] = {part.top, part.left, part.height, part.width};
      std::fwrite(values, sizeof(values), 1, stdout);
    }
  }

  std::string file_;
  std::span<const std::byte> bytes_;
  ImageDecoder decoder_;
  Image whole_;
  CanvasScratch scratch_;
  std::vector<std::byte> out_;
};

}  // namespace

int main() {
  Drawer drawer;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream command(line);
    drawer.run(command);
  }
}
